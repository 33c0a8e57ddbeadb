#include "tools/boardgen/explain.hpp"

#include "tools/boardgen/boot_rules.hpp"
#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

using board::Part;
using board::Problem;
using board::Rule;

class Explainer {
 public:
  explicit Explainer(const Description& description) : d_(description), board_(description.tables) {}

  [[nodiscard]] Diagnostic explain(const Problem& problem) const {
    const std::string me = described(problem.part, problem.index);
    const auto [attribute, what, mend] = words(problem, me);
    return {place(problem.part, problem.index, attribute), what, mend};
  }

 private:
  struct Words {
    std::string attribute;  // the place is this attribute's value; empty: the element
    std::string what;
    std::string mend;
  };

  [[nodiscard]] const Element* element(Part part, std::size_t index) const {
    const auto of = [&](const auto& table) {
      return index < table.elements.size() ? table.elements[index] : section_of(part);
    };
    switch (part) {
      case Part::kMonitor:
        return d_.monitor;
      case Part::kMemory:
        return of(d_.memory);
      case Part::kCores:
        return of(d_.cores);
      case Part::kWindows:
        return of(d_.windows);
      case Part::kDevices:
        return of(d_.devices);
      case Part::kInterrupts:
        return of(d_.interrupts);
      case Part::kController:
        return d_.controller;
      case Part::kSmmu:
        return d_.smmu == nullptr ? d_.protections : d_.smmu;
      case Part::kConsole:
        return d_.console;
      case Part::kClock:
        return d_.clock;
      case Part::kEnclaves:
        return d_.enclaves;
      case Part::kParent:
        return d_.parent;
      case Part::kProtections:
        return d_.protections;
      case Part::kMessages:
        return d_.messages;
      case Part::kCommandDevice:
        return d_.command_device;
      case Part::kVsock:
        return d_.vsock;
      case Part::kBoard:
        return d_.root.get();
    }
    return d_.root.get();
  }

  // Where an entry that is missing would stand.
  [[nodiscard]] const Element* section_of(Part part) const {
    const std::string_view name = part == Part::kMemory ? "memory" : part == Part::kCores ? "cores" : "";
    for (const auto& child : d_.root->children) {
      if (child->name == name) return child.get();
    }
    return d_.root.get();
  }

  [[nodiscard]] Location place(Part part, std::size_t index, const std::string& attribute) const {
    const Element* where = element(part, index);
    if (where == nullptr) where = d_.root.get();
    const Attribute* found = where->find(attribute);
    return found == nullptr ? where->place : found->value_place;
  }

  [[nodiscard]] std::string line_of(Part part, std::size_t index) const {
    return "line " + std::to_string(place(part, index, "").line);
  }

  // "memory region 'ram'", "core 2"
  [[nodiscard]] std::string described(Part part, std::size_t index) const {
    const auto named = [&](const char* kind, const auto& table) {
      return index < table.entries.size() ? kind + (" '" + std::string(table.entries[index].name) + "'")
                                          : std::string(kind);
    };
    switch (part) {
      case Part::kMonitor:
        return "the monitor's memory";
      case Part::kMemory:
        return named("memory region", d_.memory);
      case Part::kCores:
        return "core " + std::to_string(index);
      case Part::kWindows:
        return named("window", d_.windows);
      case Part::kDevices:
        return named("device", d_.devices);
      case Part::kInterrupts:
        return index < d_.interrupt_names.size() ? "interrupt '" + std::string(d_.interrupt_names[index]) + "'"
                                                 : "interrupt";
      case Part::kController:
        return "the interrupt controller";
      case Part::kSmmu:
        return "the SMMU";
      case Part::kConsole:
        return "the console";
      case Part::kClock:
        return "the clock";
      case Part::kEnclaves:
        return "<enclaves>";
      case Part::kParent:
        return "the parent";
      case Part::kProtections:
        return "<protections>";
      case Part::kMessages:
        return "the ITS";
      case Part::kCommandDevice:
        return "the command device";
      case Part::kVsock:
        return "the parent's vsock";
      case Part::kBoard:
        return "the board";
    }
    return "the board";
  }

  [[nodiscard]] std::string range_of(Part part, std::size_t index) const {
    std::string range;
    board::rules::each_claim(board_, [&](const auto& claim) {
      if (claim.part == part && claim.index == index) range = range_text(claim.base, claim.size);
    });
    return range;
  }

  [[nodiscard]] Words words(const Problem& problem, const std::string& me) const {
    const std::string other = described(problem.other_part, problem.other);
    const std::string other_line = line_of(problem.other_part, problem.other);
    const std::string range = range_of(problem.part, problem.index);
    const std::string other_range = range_of(problem.other_part, problem.other);
    switch (problem.rule) {
      case Rule::kValid:
        break;
      case Rule::kSizeZero:
        return {"size", me + " has no bytes", "give it a size, or remove it"};
      case Rule::kBaseUnaligned:
        return {"base", me + " does not start at a multiple of " + size_text(problem.value),
                problem.value == base::kBlockSize ? "memory is owned and mapped in blocks: move its start"
                                                  : "what shares a page can't have two owners: describe whole pages"};
      case Rule::kSizeUnaligned:
        return {"size", me + " is not a multiple of " + size_text(problem.value) + " long",
                problem.value == base::kBlockSize ? "round it down: memory is owned and mapped in blocks"
                                                  : "what shares a page can't have two owners: describe whole pages"};
      case Rule::kRangeWraps:
        return {"size", me + " passes the top of the address space", "make it smaller, or move its start"};
      case Rule::kBeyondStage2:
        return {"base", me + " ends above 512 GiB, at " + range,
                "stage 2 maps addresses below 512 GiB only: leave it out"};
      case Rule::kOverlap:
        return {"base", me + " (" + range + ") overlaps " + other + " (" + other_range + ") of " + other_line,
                "move one of them, or make one smaller: every address has one owner"};
      case Rule::kMonitorReachable:
        return {"base",
                me + " (" + range + ") reaches into the monitor's memory (" + other_range + ") of " + other_line,
                "move it: no partition may reach the monitor"};
      case Rule::kNameTwice:
        return {"name", "a second " + me, "rename it; the first stands in " + other_line};
      case Rule::kTooMany:
        return {"", "the tables hold " + std::to_string(problem.value) + " of these, and " + me + " is one more",
                "describe fewer, or raise the limit in firmware/board/budget.hpp"};
      case Rule::kMemoryMissing:
        return {"", "the parent has no memory", "add <region ... owner=\"parent\"/> to <memory>"};
      case Rule::kMemoryOrder:
        return {"base", me + " starts below " + other + " of " + other_line, "put the regions in ascending order"};
      case Rule::kHoleTooLarge:
        return {"base", "the holes between the memory regions are larger than the memory itself",
                "the frame table covers holes too: leave out the region that lies far away"};
      case Rule::kTooManyTables:
        return {"size",
                "this board needs " + std::to_string(problem.value) + " table frames, and the pool counts to " +
                    std::to_string(board::kMaxTableFrames),
                "give less memory to partitions, or widen the pool in hal/stage2/table_pool.hpp"};
      case Rule::kMonitorTooSmall:
        return {"size",
                me + " is " + size_text(board_.monitor.size) + ", but this board needs " +
                    size_text(base::align_up(problem.value, base::kBlockSize)),
                "enlarge it; docs/board-xml.md says what it holds"};
      case Rule::kCoreMissing:
        return {"", "fewer than two cores", "a core runs one owner's code: the parent keeps one, enclaves need others"};
      case Rule::kMpidrInvalid:
        return {"mpidr", me + " has bits outside the affinity fields",
                "write Aff3..Aff0 as in MPIDR_EL1: only bits 39..32 and 23..0 may be set"};
      case Rule::kMpidrTwice:
        return {"mpidr", me + " has the MPIDR of " + other + " of " + other_line, "every core has its own"};
      case Rule::kBootCoreMissing:
        return {"", "no core has owner=\"parent\"", "the parent must start somewhere: give it one core"};
      case Rule::kBootCoreTwice:
        return {"owner", me + " is a second one with owner=\"parent\"",
                "the parent starts on " + other + " of " + other_line + "; write owner=\"assignable\" here"};
      case Rule::kWindowAssignable:
        return {"owner", me + " can't be assigned", "what is assigned is a <device>"};
      case Rule::kUnguardedDma:
        return {"owner", me + " can write memory past the SMMU, so it can't be the parent's",
                "write owner=\"monitor\""};
      case Rule::kNotMonitorWindow:
        return {attribute_of_address(problem), me + " at " + hexadecimal(problem.value) + " is not the monitor's",
                "give its window owner=\"monitor\": the monitor drives it alone"};
      case Rule::kConsoleWithoutRom:
        return {"type", me + " is the ROM's, and this board has no <rom>",
                "give the monitor a UART of its own: type=\"pl011\" and its window"};
      case Rule::kViewNotMonitors:
        if (d_.windows.elements[problem.index]->find("parent-view") == nullptr) {
          return {"owner", me + " is the parent's own, so the monitor can't play a device in it",
                  "write owner=\"monitor\": the parent finds the device there all the same"};
        }
        return {"parent-view", me + " is the parent's own, so it needs no view of it",
                "write owner=\"monitor\", or leave parent-view out"};
      case Rule::kViewTwice:
        return {"parent-view", me + " is a second one that the parent sees as the same kind of device",
                "leave parent-view out; the first stands in " + other_line};
      case Rule::kViewWithoutClock:
        return {"parent-view", "the parent is to see a clock, and this board has none",
                "describe the monitor's own <clock>, or leave parent-view out"};
      case Rule::kCommandDeviceHalf:
        return {"", me + " has one window of two", "name a window for its configuration and one for its memory"};
      case Rule::kCommandBusSize:
        return {"configuration", "the window of the command device's bus is not 1 MiB long",
                "give it 1 MiB: one bus, on which the device is alone"};
      case Rule::kCommandMemoryInvalid:
        return {"memory", "the command device's registers can't be placed in that window",
                "give it a power of two from 64 KiB on, at a multiple of its size, below 4 GiB"};
      case Rule::kVsockContradiction:
        return {"window", me + " has a window without an interrupt, or the other way round", "give it both"};
      case Rule::kVsockTakesDoorbell:
        return {"interrupt", "INTID 1019 tells partitions of their channels", "write another that nothing else has"};
      case Rule::kWatchdogHalf:
        return {"parent-view", me + " is one frame of a watchdog, and the other is missing",
                "describe one window each with watchdog-control and watchdog-refresh"};
      case Rule::kWatchdogTaken:
        return {problem.part == board::Part::kMessages  ? "first"
                : problem.part == board::Part::kDevices ? "interrupt"
                                                        : "intid",
                "interrupt " + std::to_string(problem.value) + " is that of the watchdog that the parent sees",
                "write another INTID, or leave the watchdog's windows out"};
      case Rule::kItsTooSmall:
        return {"its", "the window of the ITS is smaller than " + size_text(board::kItsBytes),
                "describe both of its frames: registers, and what takes the messages"};
      case Rule::kMessagesOutOfRange:
        return {"first", "the message interrupts are not SPIs",
                "write a first INTID and a count that lie within 32 to 1019"};
      case Rule::kMessagesTaken:
        return {"first",
                "the message interrupts take the INTID " + std::to_string(problem.value) + " of " + other + " of " +
                    other_line,
                "an interrupt has one source: move them"};
      case Rule::kControllerUnaligned:
        return {board_.gic_distributor % board::kGicAlignment != 0 ? "distributor" : "redistributor",
                me + " does not start at a multiple of 64 KiB", "correct the base of its window"};
      case Rule::kStrideInvalid:
        return {"stride", "redistributors are not " + hexadecimal(board_.gic_redistributor_stride) + " apart",
                "write 0x20000 (GICv3) or 0x40000 (GICv4)"};
      case Rule::kRedistributorsTooSmall:
        return {"redistributor",
                "the window of the redistributors has no room for " + std::to_string(board_.cores.size()) + " cores",
                "it needs " + hexadecimal(problem.value) + " bytes"};
      case Rule::kDeviceWithoutSmmu:
        return {"owner", me + " would write anywhere: this board has no SMMU",
                "write owner=\"monitor\", which keeps it switched off, or describe the <smmu>"};
      case Rule::kDeviceUnmovable:
        if (board_.devices[problem.index].mmio_size == 0) {
          return {"owner", me + " has no registers of its own: the parent would go on driving it for an enclave",
                  "write owner=\"parent\", or give its 'base' and 'size' outside of every window"};
        }
        return {"base",
                me + " (" + range + ") ends above channel-base " + hexadecimal(board_.channel_ipa_base) +
                    ": an enclave could not see it beside its memory",
                "write owner=\"parent\", or move channel-base and ram-base of <enclaves>"};
      case Rule::kStreamTwice:
        return {"stream", me + " has the stream " + hexadecimal(problem.value) + " of " + other + " of " + other_line,
                "a stream belongs to one device: correct one of them"};
      case Rule::kStreamTooLarge:
        return {"stream", "the SMMU knows no stream above " + hexadecimal(problem.value),
                "correct the stream, or stream-bits of <smmu>"};
      case Rule::kStreamBitsInvalid:
        return {"stream-bits", "an SMMU with " + std::to_string(board_.smmu_stream_bits) + " stream bits",
                "an SMMUv3 has 1 to 32"};
      case Rule::kSmmuContradiction:
        return {"smmu",
                board_.protections.smmu ? "the board claims an SMMU and describes none"
                                        : "the board describes an SMMU and denies it",
                "what is attested must be true: make <smmu> and this agree"};
      case Rule::kIntidOutOfRange:
        return {problem.part == Part::kInterrupts ? "intid" : "interrupt",
                me + " has the INTID " + std::to_string(problem.value) + ", which is no SPI",
                "write an INTID from 32 to 1019: the SPI's number plus 32"};
      case Rule::kIntidTwice:
        return {problem.part == Part::kInterrupts ? "intid" : "interrupt",
                me + " has the INTID " + std::to_string(problem.value) + " of " + other + " of " + other_line,
                "an interrupt has one owner: correct one of them"};
      case Rule::kEnclavesOutOfRange:
        return {"slots", std::to_string(board_.limits.enclaves) + " enclave slots",
                "write 1 to 62: VMID 0 and 1 are taken, and sets of partitions are 64 bits"};
      case Rule::kRegionsOutOfRange:
        return {"regions", std::to_string(board_.limits.regions_per_enclave) + " regions for each enclave",
                "write 1 to 4096"};
      case Rule::kChannelsOutOfRange:
        return {"channels", std::to_string(board_.limits.channels_per_enclave) + " channels for each enclave",
                "write 1 to 16"};
      case Rule::kEnclaveMemoryInvalid:
        return {"memory-min", "an enclave can't have " + size_text(board_.limits.enclave_memory_min) + " at least",
                "write a multiple of 4 KiB that fits the parent's memory"};
      case Rule::kScrubChunkInvalid:
        return {"scrub-chunk", "the monitor can't scrub " + size_text(board_.limits.scrub_chunk) + " at a time",
                "write a power of two from 4 KiB to 2 MiB"};
      case Rule::kEnclaveRamInvalid:
        return {"ram-base", "an enclave's memory can't start at " + hexadecimal(board_.enclave_ram_base),
                "write a multiple of 2 MiB that leaves room for all memory below 512 GiB"};
      case Rule::kChannelsInvalid:
        return {"channel-base", "an enclave's channels can't start at " + hexadecimal(board_.channel_ipa_base),
                "write a multiple of 2 MiB at least 32 MiB below ram-base"};
      case Rule::kParentEntryInvalid:
        return {"entry", "the parent can't be entered at " + hexadecimal(board_.parent_entry),
                "write a page's address inside the parent's memory"};
    }
    return {"", "broken rule", "report this: boardgen has no words for it"};
  }

  [[nodiscard]] std::string attribute_of_address(const Problem& problem) const {
    if (problem.part == Part::kMessages) return "its";
    if (problem.part != Part::kController) return "window";
    return problem.value == board_.gic_distributor ? "distributor" : "redistributor";
  }

  const Description& d_;
  const board::Board& board_;
};

}  // namespace

Diagnostics broken_rules(const Description& description) {
  Diagnostics diagnostics;
  const Explainer explainer(description);
  board::check(description.tables, [&](const Problem& problem) { diagnostics.push_back(explainer.explain(problem)); });
  if (!diagnostics.empty()) return diagnostics;
  return broken_boot_rules(description);
}

}  // namespace boardgen
