#include "tools/abidoc/render.hpp"

#include <array>
#include <cstdio>

#include "firmware/enclave/eif.hpp"
#include "firmware/hypercall/call_table.hpp"
#include "tools/abidoc/error_text.hpp"

namespace abidoc {

namespace {

using hypercall::CallRow;
using hypercall::Failure;
using hypercall::Noticed;
using hypercall::Permission;

constexpr std::string_view kHead = R"(# The calls of the monitor

<!-- Written by tools/abidoc from firmware/hypercall/call_table.hpp. Change the table, then run
     `build/bin/abidoc > docs/hypercall-abi.md`; a test compares. -->

A guest's own header is `firmware/hypercall/abi.hpp`: it includes nothing else of the project. `guests/bare` uses only that.

## Calling convention
- `HVC #0` under the SMC Calling Convention 1.2 (Arm DEN 0028). `SMC #0` does the same: it is trapped. With another
  immediate, whatever x0 says, the answer is -1.
- x0 is the function identifier (its low 32 bits), x1..x6 are arguments. Registers beyond a call's arguments are ignored.
- On return x0 is 0 or an error as a negative number; x1..x3 are results, 0 where a call has none. x4 and above are
  preserved; by Arm's own calls (PSCI, SMCCC, TRNG) and by numbers of other owners so are x1..x3, unless the call has
  results there.
- The caller is known by the core the call comes from. A call can't name another caller.
- A refusal changes nothing, neither state nor machine, except the counter of refused calls.
- Failures are checked in the order in which each call lists them. Before all of them: a call that is not for this kind
  of partition answers `kNotSupported` (-1), and so does every number that is not on this page.
- A call that **repeats** does one bounded piece of work and answers `kInProgress` (-16): make it again until it answers
  something else. Any core of the caller may go on with it; two at once: one of them gets `kBusy`.
- *Machine* failures come from hardware that did not take a step; the steps before it have been undone. *Later* failures
  are found by a step of work after the call was accepted.
)";

constexpr std::string_view kLayouts = R"(
### What kStatusRead writes
Entries are little-endian, without padding; `firmware/hypercall/abi.hpp` has them as structs. Each begins with its `size`
(u32) and the `version` of its layout (u32), now 1. A later version only adds at the end; a buffer that is too small for
an entry gets its first bytes. `guests/parent/status.cpp` shows them as text and as JSON.

| section | entries | fields after size and version |
|---|---|---|
| 0 version | 1 | abi u32 (as kVersion), security version u32, development u32, 0 u32, board char[32], digest of the board u8[48] |
| 1 machine | 1 | uptime ms u64, wall time ms u64, bytes u64 each: partitions in all, the parent's, enclaves', being scrubbed, shared, the monitor's; u32 each: cores, the parent's, enclaves', slots in use |
| 2 counters | one for each core | MPIDR u64, owner u64 (1 parent, 2 enclave, 0 nobody: the machine does not have it), faults u64[4] as kFaultCounters, traps u64[16] by cause |
| 3 DMA faults | the last 32, oldest first | sequence u64, uptime ms u64, address u64, stream u32, SMMU event u32 (0: some were lost), write u32, 0 u32 |
| 4 event log | as kEventLogRead | PCR u32, name char[28], digest u8[48] |
| 5 slots | one for each slot in use | uid u64, cid u64, memory u64, cores u32, state u16, exit u16, flags u32, channels u32 |

Causes of traps: 0 hypercall, 1 WFI or WFE, 2 system register, 3 distributor, 4 redistributor, 5 UART, 6 RTC, 7 stage-2 fault,
8 physical interrupt, 9 maintenance interrupt, 10 SGI, 11 other. They are counted while the parent has the core; of an
enclave's core the parent reads zeroes, then and afterwards.
)";

constexpr std::string_view kExamples = R"(
## Examples
Ask for the version, from a guest written in C++:

    register std::uint64_t x0 asm("x0") = static_cast<std::uint32_t>(cofferdam_abi::Function::kVersion);
    register std::uint64_t x1 asm("x1");
    asm volatile("hvc #0" : "+r"(x0), "=r"(x1) : : "x2", "x3", "memory");
    // x0 == 0, x1 == 1 << 16 | 1

An enclave from start to end, seen from the parent (`call(function, arguments...)` answers x0, results in `x[]`):

    call(kSlotAllocate)                                  // x[1]: uid
    // write the EIF into our own memory at base + 0x800000, then give the memory away
    call(kMemoryDonate, uid, base, size)
    psci_cpu_off on core 1; call(kCoreDonate, uid, mpidr_of_core_1)
    while (call(kSlotStart, uid, 0, 16, 0x800000) == -16) {}
    ...
    while (call(kSlotStop, uid) == -16) {}
    while (call(kSlotFree, uid) == -16) {}               // memory and core are ours again, the memory zero
)";

[[nodiscard]] std::string hexadecimal(std::uint32_t number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08X", number);
  return text.data();
}

[[nodiscard]] std::string_view permission_text(Permission permission) {
  switch (permission) {
    case Permission::kAnybody:
      return "anybody";
    case Permission::kParent:
      return "the parent";
    case Permission::kEnclave:
      return "an enclave";
  }
  return {};
}

[[nodiscard]] std::string_view noticed_text(Noticed noticed) {
  switch (noticed) {
    case Noticed::kPlan:
      return "";
    case Noticed::kMachine:
      return "*Machine:* ";
    case Noticed::kWork:
      return "*Later:* ";
  }
  return {};
}

[[nodiscard]] bool is_own(const CallRow& row) { return row.number >= cofferdam_abi::kFunctionBase; }

[[nodiscard]] std::string status_text(const CallRow& row, const Failure& failure) {
  std::string text = std::to_string(failure.status);
  if (is_own(row)) {
    text += " `" + std::string{text_of(static_cast<base::Error>(-failure.status)).name} + "`";
  }
  return text;
}

void add_named(std::string& page, std::string_view title, std::span<const hypercall::Named> list) {
  if (list.empty()) return;
  page += "\n" + std::string{title} + ":\n";
  for (std::size_t i = 0; i < list.size(); ++i) {
    page +=
        "- x" + std::to_string(i + 1) + " `" + std::string{list[i].name} + "`: " + std::string{list[i].meaning} + "\n";
  }
}

void add_call(std::string& page, const CallRow& row) {
  page += "\n### " + std::string{row.name} + "\n";
  page += "`" + hexadecimal(row.number) + "`, called by " + std::string{permission_text(row.permission)};
  page += row.repeats ? ", repeats while `kInProgress`.\n" : ".\n";
  add_named(page, "Arguments", row.arguments);
  add_named(page, "Results", row.results);
  page += "\nOn success: " + std::string{row.success};
  page += row.shown_by == row.name ? "\n" : " Shown by " + std::string{row.shown_by} + ".\n";
  if (row.failures.empty()) return;
  page += "\n| x0 | when, in this order |\n|---|---|\n";
  for (const Failure& failure : row.failures) {
    page += "| " + status_text(row, failure) + " | " + std::string{noticed_text(failure.noticed)} +
            std::string{failure.when} + " |\n";
  }
}

void add_errors(std::string& page) {
  page +=
      "\n## Errors\nx0 is the negative number. Numbers are never given another meaning.\n\n| number | name | meaning "
      "|\n"
      "|---|---|---|\n";
  for (unsigned number = 1; number <= kLastError; ++number) {
    const ErrorText text = text_of(static_cast<base::Error>(number));
    page +=
        "| " + std::to_string(number) + " | `" + std::string{text.name} + "` | " + std::string{text.meaning} + " |\n";
  }
}

void add_image_errors(std::string& page) {
  page +=
      "\n## Checks of an image\nWhen an image is refused, x1 is the number of the check that failed.\n\n| x1 | meaning |\n"
      "|---|---|\n";
  constexpr auto kLast = static_cast<unsigned>(enclave::EifError::kSignerNotValid);
  for (unsigned number = 1; number <= kLast; ++number) {
    page += "| " + std::to_string(number) + " | " +
            std::string{enclave::describe(static_cast<enclave::EifError>(number))} + " |\n";
  }
}

void add_index(std::string& page) {
  page += "\n## All calls\n| number | call | who |\n|---|---|---|\n";
  for (const CallRow& row : hypercall::kCallTable) {
    page += "| `" + hexadecimal(row.number) + "` | " + std::string{row.name} + " | " +
            std::string{permission_text(row.permission)} + " |\n";
  }
}

}  // namespace

std::string render() {
  std::string page{kHead};
  add_index(page);
  add_errors(page);
  add_image_errors(page);
  page += "\n## The monitor's own calls\n";
  for (const CallRow& row : hypercall::kCallTable) {
    if (is_own(row)) add_call(page, row);
  }
  page += kLayouts;
  page +=
      "\n## PSCI 1.1 (Arm DEN 0022), SMCCC 1.1 (Arm DEN 0028) and TRNG 1.0 (Arm DEN 0098)\n"
      "x0 holds the answer or the specification's own error numbers, not those of the table above, sign-extended: w0 and "
      "x0 say the same. The 32-bit forms take the low halves of their arguments.\n\n"
      "What these specifications leave open and is not here is NOT_SUPPORTED (-1), like any number that is on nobody's "
      "list: PSCI's MIGRATE, MIGRATE_INFO_UP_CPU, CPU_FREEZE, CPU_DEFAULT_SUSPEND, NODE_HW_STATE, SYSTEM_SUSPEND, "
      "SET_SUSPEND_MODE, STAT_RESIDENCY, STAT_COUNT, MEM_PROTECT and MEM_PROTECT_CHECK_RANGE; SMCCC_ARCH_SOC_ID. "
      "A core counts as on from the moment CPU_ON is accepted, so ON_PENDING is never seen.\n";
  for (const CallRow& row : hypercall::kCallTable) {
    if (!is_own(row)) add_call(page, row);
  }
  page += kExamples;
  return page;
}

}  // namespace abidoc
