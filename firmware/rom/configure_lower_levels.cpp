// The registers behind lower_levels.hpp. Not in the host's build.
#include "firmware/rom/lower_levels.hpp"

namespace rom {
namespace {

IdRegisters read_id_registers() {
  IdRegisters id{};
  asm volatile("mrs %0, id_aa64pfr0_el1" : "=r"(id.pfr0));
  asm volatile("mrs %0, id_aa64pfr1_el1" : "=r"(id.pfr1));
  asm volatile("mrs %0, s3_0_c0_c4_2" : "=r"(id.pfr2));
  asm volatile("mrs %0, id_aa64isar1_el1" : "=r"(id.isar1));
  asm volatile("mrs %0, s3_0_c0_c6_2" : "=r"(id.isar2));
  asm volatile("mrs %0, id_aa64mmfr0_el1" : "=r"(id.mmfr0));
  asm volatile("mrs %0, id_aa64mmfr1_el1" : "=r"(id.mmfr1));
  asm volatile("mrs %0, s3_0_c0_c7_3" : "=r"(id.mmfr3));
  asm volatile("mrs %0, id_aa64dfr0_el1" : "=r"(id.dfr0));
  return id;
}

constexpr std::uint64_t kSctlrEl2Reset = 0x30c5'0830;  // RES1 bits: MMU, caches and alignment checks off
constexpr std::uint64_t kSctlrEl1Reset = 0x30d0'0800;

}  // namespace

void configure_lower_levels() {
  const IdRegisters id = read_id_registers();
  asm volatile("msr scr_el3, %0; isb" ::"r"(scr_el3_value(id)));
  asm volatile("msr mdcr_el3, %0" ::"r"(mdcr_el3_value(id)));
  const std::uint64_t features = cptr_el3_value(id);
  asm volatile("msr cptr_el3, %0; isb" ::"r"(features));
  // ZCR_EL3: all there is.
  if ((features & cptr::kVectors) != 0) asm volatile("msr s3_6_c1_c2_0, %0; isb" ::"r"(std::uint64_t{0xf}));
  asm volatile("msr sctlr_el2, %0" ::"r"(kSctlrEl2Reset));
  asm volatile("msr sctlr_el1, %0" ::"r"(kSctlrEl1Reset));
  asm volatile("msr hcr_el2, xzr; msr vttbr_el2, xzr; msr vbar_el2, xzr; msr vbar_el1, xzr");
  asm volatile("msr cntvoff_el2, xzr; msr cnthctl_el2, xzr; msr cnthp_ctl_el2, xzr");
  asm volatile("msr cntp_ctl_el0, xzr; msr cntv_ctl_el0, xzr; isb");
}

}  // namespace rom
