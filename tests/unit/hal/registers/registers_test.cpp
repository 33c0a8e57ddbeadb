// Layouts against words worked out by hand from the manuals, and encode-decode pairs.
#include <gtest/gtest.h>

#include "hal/registers/esr_el2.hpp"
#include "hal/registers/gicv3.hpp"
#include "hal/registers/hcr_el2.hpp"
#include "hal/registers/midr_el1.hpp"
#include "hal/registers/sctlr.hpp"
#include "hal/registers/smmuv3.hpp"
#include "hal/registers/stage1_el2.hpp"
#include "hal/registers/stage2_control.hpp"
#include "hal/registers/stage2_descriptor.hpp"

namespace {

namespace registers = hal::registers;
namespace esr = hal::registers::esr_el2;
namespace format = hal::registers::stage2_descriptor;
namespace smmu = hal::registers::smmuv3;
using base::Access;

TEST(Field, DropsWhatDoesNotFit) {
  using Middle = registers::Field<4, 8>;
  EXPECT_EQ(Middle::put(0x1FF), 0xFF0U);
  EXPECT_EQ(Middle::get(0xABCD), 0xBCU);
  EXPECT_EQ(Middle::replace(0xFFFF, 0), 0xF00FU);
}

TEST(Stage2Descriptor, WordsAsTheManualGivesThem) {
  // Normal write-back, inner shareable, accessed, read-write, executable.
  EXPECT_EQ(format::make_leaf(base::PhysAddr{0x4000'0000}, Access::kReadWriteExecute, 2), 0x4000'07FDU);
  EXPECT_EQ(format::make_leaf(base::PhysAddr{0x4000'0000}, Access::kReadWriteExecute, 3), 0x4000'07FFU);
  EXPECT_EQ(format::make_leaf(base::PhysAddr{0x0900'0000}, Access::kDevice, 3), 0x0040'0000'0900'04C7U);
  EXPECT_EQ(format::make_leaf(base::PhysAddr{0x1000}, Access::kReadOnly, 3), 0x0040'0000'0000'177FU);
  // Not accessed, write-only.
  EXPECT_EQ(format::make_leaf(base::PhysAddr{0x0809'0000}, Access::kMessages, 3), 0x0040'0000'0809'0087U);
  EXPECT_EQ(format::make_table(base::FrameNumber{0x41234}), 0x4123'4003U);
}

TEST(Stage2Descriptor, OnlyRamOfCodeIsExecutable) {
  for (const Access access : {Access::kReadWrite, Access::kReadOnly, Access::kDevice, Access::kMessages}) {
    EXPECT_NE(format::attributes_of(access) & format::kExecuteNever, 0U);
  }
  EXPECT_EQ(format::attributes_of(Access::kReadWriteExecute) & format::kExecuteNever, 0U);
}

TEST(Stage2Descriptor, AccessComesBack) {
  for (const Access access :
       {Access::kReadWriteExecute, Access::kReadWrite, Access::kReadOnly, Access::kDevice, Access::kMessages}) {
    for (format::Level level = 1; level <= 3; ++level) {
      const std::uint64_t leaf = format::make_leaf(base::PhysAddr{0x4000'0000}, access, level);
      EXPECT_TRUE(format::is_leaf(leaf, level));
      EXPECT_FALSE(format::is_table(leaf, level));
      EXPECT_EQ(format::access_of(leaf), access);
      EXPECT_EQ(format::output_of(leaf, level).value, 0x4000'0000U);
    }
  }
}

// With the access flag clear and HA (VTCR_EL2 bit 21) too, no access of a core passes.
TEST(Stage2Descriptor, NoCoreReachesWhereDevicesWriteMessages) {
  for (const Access access : {Access::kReadWriteExecute, Access::kReadWrite, Access::kReadOnly, Access::kDevice}) {
    EXPECT_NE(format::attributes_of(access) & format::kAccessFlag, 0U);
  }
  EXPECT_EQ(format::attributes_of(Access::kMessages) & format::kAccessFlag, 0U);
  EXPECT_EQ(registers::vtcr_el2::make(2) >> 21 & 1, 0U);
}

TEST(Stage2Descriptor, ABlockFormAtThePageLevelIsNothing) {
  const std::uint64_t block = format::make_leaf(base::PhysAddr{0}, Access::kReadWrite, 2);
  EXPECT_FALSE(format::is_leaf(block, 3));
  EXPECT_FALSE(format::is_table(block, 3));
}

TEST(Stage2Control, ThirtyNineBitsFromLevelOne) {
  // T0SZ 25, SL0 1, IRGN0/ORGN0 write-back, SH0 inner, TG0 4 KiB, PS 40 bits, RES1.
  EXPECT_EQ(registers::vtcr_el2::make(2), 0x8002'3559U);
  EXPECT_EQ(registers::vttbr_el2::make(base::FrameNumber{0x41000}, base::PartitionId{5}), 0x0005'0000'4100'0000U);
}

TEST(Syndrome, HvcAndDataAbort) {
  EXPECT_EQ(esr::exception_class(0x5A00'0000), esr::ExceptionClass::kHvc64);
  const auto abort = esr::decode_data_abort(0x93C3'8006);  // seen on QEMU: ldr x3, [x2], level 2 translation fault
  EXPECT_EQ(abort.kind, esr::FaultKind::kTranslation);
  EXPECT_FALSE(abort.write);
  EXPECT_TRUE(abort.decodable);
  EXPECT_EQ(abort.bytes, 8);
  EXPECT_EQ(abort.rt, 3);
  EXPECT_TRUE(abort.register64);
}

TEST(Syndrome, FaultKinds) {
  EXPECT_EQ(esr::fault_kind(0x04), esr::FaultKind::kTranslation);
  EXPECT_EQ(esr::fault_kind(0x07), esr::FaultKind::kTranslation);
  EXPECT_EQ(esr::fault_kind(0x0B), esr::FaultKind::kAccessFlag);
  EXPECT_EQ(esr::fault_kind(0x0F), esr::FaultKind::kPermission);
  EXPECT_EQ(esr::fault_kind(0x10), esr::FaultKind::kExternal);
  EXPECT_EQ(esr::fault_kind(0x00), esr::FaultKind::kAddressSize);
  EXPECT_EQ(esr::fault_kind(0x21), esr::FaultKind::kOther);  // alignment
  EXPECT_EQ(esr::fault_kind(0x30), esr::FaultKind::kOther);  // TLB conflict
}

TEST(Syndrome, ComposedAbortsDecodeToThemselves) {
  for (const auto kind : {esr::FaultKind::kTranslation, esr::FaultKind::kPermission, esr::FaultKind::kExternal}) {
    const std::uint64_t word = esr::make_data_abort(kind, 3, true);
    EXPECT_EQ(esr::exception_class(word), esr::ExceptionClass::kDataAbortLower);
    EXPECT_EQ(esr::decode_data_abort(word).kind, kind);
    EXPECT_TRUE(esr::decode_data_abort(word).write);
    EXPECT_FALSE(esr::decode_data_abort(word).decodable);
  }
}

TEST(Syndrome, SystemRegisterFieldsAreWhereTheManualPutsThem) {
  // MRS x1, ID_AA64PFR0_EL1: op0 3, op1 0, CRn 0, CRm 4, op2 0.
  const esr::SystemRegisterAccess access{.op0 = 3, .op1 = 0, .crn = 0, .crm = 4, .op2 = 0, .rt = 1, .read = true};
  EXPECT_EQ(esr::make_system_register(access), 0x6230'0029U);
  const auto back = esr::decode_system_register(0x6230'0029);
  EXPECT_EQ(back.encoding(), esr::system_register(3, 0, 0, 4, 0));
  EXPECT_EQ(back.rt, 1);
  EXPECT_TRUE(back.read);
}

TEST(Syndrome, EveryEncodingComesBack) {
  for (std::uint32_t encoding = 0; encoding < 1U << 16; ++encoding) {
    const esr::SystemRegisterAccess access{.op0 = static_cast<std::uint8_t>(encoding >> 14),
                                           .op1 = static_cast<std::uint8_t>((encoding >> 11) & 7),
                                           .crn = static_cast<std::uint8_t>((encoding >> 7) & 15),
                                           .crm = static_cast<std::uint8_t>((encoding >> 3) & 15),
                                           .op2 = static_cast<std::uint8_t>(encoding & 7),
                                           .rt = 30,
                                           .read = false};
    const auto back = esr::decode_system_register(esr::make_system_register(access));
    ASSERT_EQ(back.encoding(), encoding);
    ASSERT_EQ(back.rt, 30);
    ASSERT_FALSE(back.read);
  }
}

TEST(Syndrome, HpfarHoldsThePage) {
  EXPECT_EQ(esr::fault_page(0x0040'2000).value, 0x4020'0000U);  // seen on QEMU
  EXPECT_EQ(esr::fault_page(esr::make_hpfar(base::Ipa{0x40'1000'8000})).value, 0x40'1000'8000U);
}

TEST(GuestControls, StageTwoTrapsAndInterruptsAreOn) {
  const std::uint64_t value = registers::hcr_el2::make_guest_value();
  using namespace registers::hcr_el2;
  for (const std::uint64_t on : {kVm, kFmo, kImo, kAmo, kTsc, kTidcp, kTacr, kTid3, kRw, kApk, kApi}) EXPECT_NE(value & on, 0U);
  for (const std::uint64_t off : {kAta, kTwi}) EXPECT_EQ(value & off, 0U);
}

TEST(MonitorControls, NothingIsWritableAndExecutable) {
  using namespace registers::stage1_el2;
  for (const std::uint64_t page : {kCode, kConstants, kData, kRegisters}) {
    const bool writable = (page & kReadOnly) == 0;
    const bool executable = (page & kExecuteNever) == 0;
    EXPECT_FALSE(writable && executable);
  }
  EXPECT_NE(registers::sctlr_el2::make_monitor_value() & registers::sctlr_el2::kWxn, 0U);
}

TEST(Midr, CoresOfTheErratumInvalidateTwice) {
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x414F'D0C1));   // Neoverse N1 r4p1
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x410F'D490));   // Neoverse N2
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x410F'D8C0));   // C1-Ultra
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x411F'D901));   // C1-Premium r1p1
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x6D0F'D490));   // Microsoft Azure Cobalt 100
  EXPECT_TRUE(registers::midr_el1::must_invalidate_twice(0x4E0F'0100));   // NVIDIA Olympus
  EXPECT_FALSE(registers::midr_el1::must_invalidate_twice(0x410F'D034));  // Cortex-A53
  EXPECT_FALSE(registers::midr_el1::must_invalidate_twice(0x004F'D0C1));  // nobody's
  EXPECT_FALSE(registers::midr_el1::must_invalidate_twice(0x410F'0100));  // Olympus' part, but not NVIDIA's
}

TEST(Smmu, AbortEntryIsValidAndTranslatesNothing) {
  const smmu::StreamTableEntry entry = smmu::make_abort_entry();
  EXPECT_EQ(entry[0], 1U);
  for (std::size_t word = 1; word < entry.size(); ++word) EXPECT_EQ(entry[word], 0U);
}

TEST(Smmu, StageTwoEntryAsTheManualGivesIt) {
  const auto entry = smmu::make_stage2_entry(base::FrameNumber{0x41000}, base::PartitionId{1}, 39, 4);
  EXPECT_EQ(entry[0], 0xDU);  // V, Config 0b110
  EXPECT_EQ(entry[2] & 0xFFFF, 1U);
  EXPECT_EQ((entry[2] >> 32) & 0x3F, 25U);   // S2T0SZ
  EXPECT_EQ((entry[2] >> 38) & 3, 1U);       // S2SL0
  EXPECT_EQ((entry[2] >> 48) & 7, 4U);       // S2PS
  EXPECT_EQ((entry[2] >> 51) & 1, 1U);       // S2AA64
  EXPECT_EQ((entry[2] >> 53) & 0xF, 3U);     // S2AFFD and S2PTW, without S2HD and S2HA: the access flag is ignored
  EXPECT_EQ((entry[2] >> 57) & 3, 2U);       // S2R without S2S: faults are recorded and never stall
  EXPECT_EQ(entry[3], 0x4100'0000U);
}

TEST(Smmu, CommandsAndEvents) {
  EXPECT_EQ(smmu::make_cfgi_ste(base::StreamId{8}).low, 0x0000'0008'0000'0003U);
  EXPECT_EQ(smmu::make_tlbi_vmall(base::PartitionId{3}).low, 0x0000'0003'0000'0028U);
  const smmu::Event event{0x0000'0008'0000'0010, std::uint64_t{1} << 35, 0x4020'0000, 0};
  EXPECT_EQ(smmu::type_of(event), smmu::kEventTranslation);
  EXPECT_EQ(smmu::stream_of(event).value, 8U);
  EXPECT_FALSE(smmu::is_write(event));
  EXPECT_EQ(smmu::address_of(event), 0x4020'0000U);
}

TEST(Gic, AListRegisterSaysWhatItHolds) {
  namespace lr = registers::gicv3::list_register;
  const std::uint64_t value = lr::make_pending(base::Intid{1019});
  EXPECT_FALSE(lr::is_free(value));
  EXPECT_TRUE(lr::is_free(0));
  EXPECT_EQ(lr::intid_of(value).value, 1019U);
  EXPECT_EQ(value >> 60, 0x5U);  // pending, group 1, not hardware
}

TEST(SctlrEl1, EachExceptionLevelHasItsOwnByteOrder) {
  constexpr std::uint64_t kEl0 = 0, kEl1OnSp0 = 4, kEl1 = 5, kAarch32User = 0x10, kAarch32Big = 0x210;
  constexpr std::uint64_t kMasked = 0x3C0;  // PSTATE.D is where AArch32 has its order
  for (const std::uint64_t sctlr : {std::uint64_t{0}, std::uint64_t{1} << 24, std::uint64_t{1} << 25, std::uint64_t{3} << 24}) {
    const bool of_el0 = (sctlr >> 24 & 1) != 0, of_el1 = (sctlr >> 25 & 1) != 0;
    EXPECT_EQ(registers::sctlr_el1::is_big_endian(sctlr, kEl0 | kMasked), of_el0) << sctlr;
    EXPECT_EQ(registers::sctlr_el1::is_big_endian(sctlr, kEl1OnSp0), of_el1) << sctlr;
    EXPECT_EQ(registers::sctlr_el1::is_big_endian(sctlr, kEl1 | kMasked), of_el1) << sctlr;
    EXPECT_FALSE(registers::sctlr_el1::is_big_endian(sctlr, kAarch32User)) << sctlr;
    EXPECT_TRUE(registers::sctlr_el1::is_big_endian(sctlr, kAarch32Big)) << sctlr;
  }
}

TEST(Gic, AnSgiNamesOneCore) {
  EXPECT_EQ(registers::gicv3::make_sgi(0x3, base::Intid{7}), 0x0700'0008U);
  // Aff2 = 1, Aff1 = 2, Aff0 = 17: range selector 1, second core of it.
  EXPECT_EQ(registers::gicv3::make_sgi(0x1'0211, base::Intid{6}), 0x0000'1001'0602'0002U);
}

}  // namespace
