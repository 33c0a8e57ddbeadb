// The main job, end to end: boot, an enclave from an image, a document, a channel, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "firmware/crypto/sha384.hpp"
#include "tests/scenario/whole_machine.hpp"
#include "tools/cofferdam/verify.hpp"

namespace scenario {
namespace {

using ::testing::HasSubstr;
using cofferdam_abi::SlotState;

// The sections' data of an image, found again by its header alone (nitro-formats 3.1).
struct Sections {
  Bytes kernel, command_line, ramdisk;
};
Sections sections_of(const Bytes& image) {
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | image[at + i];
    return value;
  };
  Sections sections;
  for (std::size_t i = 0; i < number(0x1A, 2); ++i) {
    const std::uint64_t header = number(0x1C + 8 * i, 8);
    const std::uint64_t size = number(0x11C + 8 * i, 8);
    const Bytes data(image.begin() + static_cast<std::ptrdiff_t>(header + 12),
                     image.begin() + static_cast<std::ptrdiff_t>(header + 12 + size));
    if (number(header, 2) == 1) sections.kernel = data;
    if (number(header, 2) == 2) sections.command_line = data;
    if (number(header, 2) == 3) sections.ramdisk = data;
  }
  return sections;
}

Bytes register_of(const Bytes& content) {  // PCR := SHA-384(48 zeros || SHA-384(content))
  const crypto::Digest digest = crypto::sha384(content);
  Bytes extended(48, 0);
  extended.insert(extended.end(), digest.begin(), digest.end());
  const crypto::Digest value = crypto::sha384(extended);
  return {value.begin(), value.end()};
}

Bytes joined(const Bytes& a, const Bytes& b, const Bytes& c) {
  Bytes all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

cofferdam::Report verify(const Bytes& response, const Bytes& nonce) {
  // {"Attestation": {"document": bytes}}: 0xA1, text(11), 0xA1, text(8), then a byte string of two-byte length.
  constexpr std::size_t kPrefix = 1 + 12 + 1 + 9 + 3;
  const Bytes document(response.begin() + kPrefix, response.end());
  cofferdam::VerifyOptions options;
  options.anchors.roots = {support::development_identity(board::kBoard.digest).root_certificate};
  options.time = 1'790'000'000;
  options.nonce = nonce;
  options.allow_development = true;
  return cofferdam::verify_document(document, options);
}

class Lifecycle : public WholeMachine {};

TEST_F(Lifecycle, FromBootToAVerifiedDocumentToNothingLeft) {
  boot();
  EXPECT_THAT(machine().console(), HasSubstr("starting the parent"));
  const EnclavePlan plan;
  const std::uint64_t uid = run_enclave(parent(), plan);
  ASSERT_NE(uid, 0U) << machine().console();
  EXPECT_EQ(state_of(parent(), uid), SlotState::kRunning);

  // The enclave starts at its kernel, with its device tree in x0 and nothing in memory that was not measured.
  GuestCpu enclave = on(1);
  const Sections sections = sections_of(plan.image);
  EXPECT_EQ(enclave.partition(), base::PartitionId{2});
  EXPECT_EQ(enclave.read_vector(Ipa{enclave.entry().entry}, sections.kernel.size()), sections.kernel);
  const std::uint64_t tree = enclave.entry().argument;
  EXPECT_EQ(enclave.read_vector(Ipa{tree}, 4), (Bytes{0xD0, 0x0D, 0xFE, 0xED}));
  const Bytes memory = enclave.read_vector(Ipa{kEnclaveRam}, plan.size);
  const auto ramdisk = std::search(memory.begin(), memory.end(), sections.ramdisk.begin(), sections.ramdisk.end());
  ASSERT_NE(ramdisk, memory.end());
  for (std::size_t at = 0; at < memory.size(); ++at) {
    const bool kernel = at < sections.kernel.size();
    const bool disk = at >= static_cast<std::size_t>(ramdisk - memory.begin()) &&
                      at < static_cast<std::size_t>(ramdisk - memory.begin()) + sections.ramdisk.size();
    if (!kernel && !disk && kEnclaveRam + at < tree) {
      ASSERT_EQ(memory[at], 0) << "unmeasured byte at " << at;
    }
  }

  // The document is true, and a verifier that shares no code with the monitor says so.
  const Bytes nonce(32, 0x42);
  const NsmAnswer answer = ask_nsm(enclave, attestation_request(nonce));
  ASSERT_EQ(answer.error, 0);
  const cofferdam::Report report = verify(answer.response, nonce);
  ASSERT_FALSE(report.refused) << report.message;
  ASSERT_TRUE(report.document);
  EXPECT_EQ(report.document->pcrs.at(0),
            register_of(joined(sections.kernel, sections.command_line, sections.ramdisk)));
  EXPECT_EQ(report.document->pcrs.at(1), report.document->pcrs.at(0)) << "one ramdisk: PCR1 is PCR0";
  EXPECT_EQ(report.document->pcrs.at(2), register_of({}));
  EXPECT_EQ(report.document->pcrs.at(8), Bytes(48, 0));
  EXPECT_FALSE(report.debug);
  EXPECT_EQ(verify(answer.response, Bytes(32, 0x43)).refused, cofferdam::Reason::kNonce);

  // A channel: memory of the parent's that both reach.
  const CallResult opened = parent().call(Function::kChannelOpen, {uid, kRam + kBlock, kFrame});
  ASSERT_TRUE(opened.ok());
  parent().write64(Ipa{kRam + kBlock}, 0x1234);
  const CallResult info = enclave.call(Function::kChannelInfo, {opened.x[1]});
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info.x[1], opened.x[2]);
  EXPECT_EQ(info.x[2], kFrame);
  EXPECT_EQ(enclave.read64(Ipa{info.x[1]}), 0x1234U);
  EXPECT_FALSE(enclave.can_fetch(Ipa{info.x[1]})) << "a channel carries data, not code";
  ASSERT_TRUE(parent().call(Function::kChannelNotify, {uid, opened.x[1]}).ok());
  EXPECT_EQ(enclave.take_interrupt(), std::nullopt) << "it has enabled nothing yet";
  enable_doorbell(enclave);
  EXPECT_EQ(enclave.take_interrupt(), base::Intid{1019});
  EXPECT_EQ(enclave.call(Function::kChannelPending).x[1], 1U);
  EXPECT_EQ(enclave.call(Function::kChannelPending).x[1], 0U);
  enclave.write64(Ipa{info.x[1]}, 0x5678);
  enable_doorbell(parent());
  ASSERT_TRUE(enclave.call(Function::kChannelNotify, {0, opened.x[1]}).ok());
  EXPECT_EQ(parent().take_interrupt(), base::Intid{1019});
  EXPECT_EQ(parent().call(Function::kChannelPending, {uid}).x[1], 1U);
  EXPECT_EQ(parent().read64(Ipa{kRam + kBlock}), 0x5678U);
  ASSERT_TRUE(parent().call(Function::kChannelClose, {uid, opened.x[1]}).ok());
  EXPECT_FALSE(enclave.can_read(Ipa{info.x[1]}));

  // The end: the code reaches the parent, the memory comes back as zeroes.
  enclave.write64(Ipa{kEnclaveRam + 64}, 0x5EC2E7);
  EXPECT_THROW((void)enclave.call(Function::kEnclaveExit, {7}), host::LeaveGuest);
  const CallResult stopped = parent().call(Function::kSlotInfo, {uid});
  EXPECT_EQ(stopped.x[1] & 0xFFFF, 0xFFFFU);
  EXPECT_EQ(stopped.x[1] >> 32, 0x107U) << "exited by itself, code 7";
  EXPECT_FALSE(parent().can_read(Ipa{kDonated}));
  EXPECT_TRUE(parent().call_to_end(Function::kSlotFree, {uid}).ok());
  EXPECT_TRUE(machine().memory().is_zero(
      base::FrameRange::trusted(base::frame_of(base::PhysAddr{kDonated}), base::FrameCount{plan.size / kFrame})));
  EXPECT_EQ(parent().read64(Ipa{kDonated + 64}), 0U);
  EXPECT_EQ(parent().call(Function::kSlotCount).x[1], 0U);
  EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], 0U) << "the core is the parent's again";
}

TEST_F(Lifecycle, ADebugEnclaveSaysSoAndMayWriteToTheConsole) {
  boot();
  EnclavePlan plan;
  plan.flags = cofferdam_abi::kStartDebug;
  const std::uint64_t uid = run_enclave(parent(), plan);
  ASSERT_NE(uid, 0U);
  const Bytes nonce(16, 1);
  cofferdam::Report report = verify(ask_nsm(on(1), attestation_request(nonce)).response, nonce);
  ASSERT_TRUE(report.document);
  EXPECT_TRUE(report.debug);
  for (const unsigned index : {0U, 1U, 2U, 8U}) EXPECT_EQ(report.document->pcrs.at(index), Bytes(48, 0));
  EXPECT_TRUE(on(1).call(Function::kConsoleWrite, {5, 0x6F6C6C6568}).ok());
  EXPECT_TRUE(end_enclave(parent(), uid).ok());
}

TEST_F(Lifecycle, AProductionEnclaveHasNoConsole) {
  boot();
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  const std::string before = machine().console();
  EXPECT_EQ(on(1).call(Function::kConsoleWrite, {5, 0x6F6C6C6568}).error(), error_number(base::Error::kNotSupported));
  EXPECT_EQ(machine().console(), before);
}

TEST_F(Lifecycle, FourEnclavesAtOnceAreApart) {
  boot();
  std::vector<std::uint64_t> uids;
  for (std::size_t i = 0; i < 3; ++i) {
    EnclavePlan plan;
    plan.address = kDonated + i * 2 * kBlock;
    plan.cores = {i + 1};
    plan.cid = 16 + i;
    plan.image = support::make_image(4096, i);
    uids.push_back(run_enclave(parent(), plan));
    ASSERT_NE(uids.back(), 0U);
  }
  // The fourth has no core left; it is built all the same, and refused a start.
  EnclavePlan plan;
  plan.address = kDonated + 6 * kBlock;
  plan.cores = {};
  plan.cid = 20;
  uids.push_back(build_enclave(parent(), plan));
  EXPECT_EQ(start_enclave(parent(), uids.back(), plan).error(), error_number(base::Error::kNoSuchCore));
  for (std::size_t i = 0; i < 3; ++i) on(i + 1).write64(Ipa{kEnclaveRam + kBlock / 2}, 100 + i);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(on(i + 1).read64(Ipa{kEnclaveRam + kBlock / 2}), 100 + i);
    EXPECT_FALSE(on(i + 1).can_read(Ipa{kDonated})) << "an enclave knows no physical addresses";
  }
  // One ends and gives its core to the fourth; the others never notice.
  EXPECT_TRUE(end_enclave(parent(), uids[0]).ok());
  EXPECT_TRUE(parent().call(Function::kCoreDonate, {uids[3], mpidr_of(1)}).ok());
  EXPECT_TRUE(start_enclave(parent(), uids[3], plan).ok());
  EXPECT_EQ(on(2).read64(Ipa{kEnclaveRam + kBlock / 2}), 101U);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(end_enclave(parent(), uids[i]).ok());
  EXPECT_EQ(parent().call(Function::kSlotCount).x[1], 0U);
}

TEST_F(Lifecycle, AnEnclaveStartsItsOtherCores) {
  boot();
  EnclavePlan plan;
  plan.cores = {1, 3};
  const std::uint64_t uid = run_enclave(parent(), plan);
  ASSERT_NE(uid, 0U);
  EXPECT_FALSE(machine().driven(base::CoreId{3}));
  EXPECT_EQ(on(1).hvc(cofferdam_abi::kPsciAffinityInfo, {1, 0}).x[0], 1U);
  EXPECT_EQ(on(1).hvc(cofferdam_abi::kPsciCpuOn, {1, kEnclaveRam + 0x100, 77}).x[0], 0U);
  ASSERT_TRUE(machine().driven(base::CoreId{3}));
  EXPECT_EQ(on(3).entry().entry, kEnclaveRam + 0x100);
  EXPECT_EQ(on(3).frame().x[0], 77U);
  EXPECT_EQ(on(3).entry().mpidr, 1U);
  EXPECT_EQ(on(1).hvc(cofferdam_abi::kPsciAffinityInfo, {1, 0}).x[0], 0U);
  // Stopping takes both.
  EXPECT_TRUE(end_enclave(parent(), uid).ok());
  EXPECT_FALSE(machine().driven(base::CoreId{1}));
  EXPECT_FALSE(machine().driven(base::CoreId{3}));
}

TEST_F(Lifecycle, TheParentEndingTheMachineEndsAndScrubsItsEnclavesFirst) {
  boot();
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  on(1).write64(Ipa{kEnclaveRam + kBlock / 2}, 0x5EC2E7);
  try {
    (void)parent().hvc(cofferdam_abi::kPsciSystemReset);
  } catch (const host::LeaveGuest&) {
  } catch (const host::MachineStopped&) {
  }
  EXPECT_EQ(machine().power_state(), host::PowerState::kReset);
  EXPECT_TRUE(machine().memory().is_zero(
      base::FrameRange::trusted(base::frame_of(base::PhysAddr{kDonated}), base::FrameCount{2 * kBlock / kFrame})));
}

}  // namespace
}  // namespace scenario
