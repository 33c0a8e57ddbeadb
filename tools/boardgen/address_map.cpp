#include "tools/boardgen/address_map.hpp"

#include <algorithm>

#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

std::vector<Piece> with_gaps(std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.base < b.base; });
  std::vector<Piece> all;
  std::uint64_t end = 0;
  for (Piece& piece : pieces) {
    if (piece.base > end) all.push_back({end, piece.base - end, Holder::kNobody, "not described", ""});
    end = std::max(end, piece.base + piece.size);
    all.push_back(std::move(piece));
  }
  return all;
}

std::string note_of(const Description& d, std::size_t index) {
  const board::Mmio& window = d.windows.entries[index];
  const board::Board& board = d.tables;
  if (window.base == board.gic_distributor || window.base == board.gic_redistributor) {
    return "interrupt controller; the parent sees a virtual one here";
  }
  if (window.base == board.smmu_base) return "SMMU: decides what each device can reach";
  if (window.base == board.uart_base) return "the monitor's console, output only";
  if (window.base == board.rtc_base) {
    return window.parent_view == board::View::kPl031 ? "wall clock; the parent sees a view of its own here"
                                                     : "wall clock";
  }
  switch (window.parent_view) {
    case board::View::kNone:
    case board::View::kPl031:
      break;
    case board::View::kWatchdogControl:
    case board::View::kWatchdogRefresh:
      return "nothing: the monitor plays the parent's watchdog here";
    case board::View::kCommandConfiguration:
      return "nothing: the monitor plays the Nitro Enclaves device's PCI bus here";
    case board::View::kCommandMemory:
      return "nothing: the monitor plays the Nitro Enclaves device's registers here";
    case board::View::kVsock:
      return "nothing: the monitor plays the parent's vsock device here, INTID " +
             std::to_string(board.vsock_interrupt.value);
  }
  if (d.uart && index == d.uart->window) return "the parent's console";
  if (board.message_interrupts.its_base != 0 && window.base == board.message_interrupts.its_base) {
    return board.message_interrupts.offered ? "ITS: takes the parent's devices' messages; its tables are the monitor's"
                                            : "ITS: can write memory past the SMMU; not used";
  }
  if (d.rom && index == d.rom->package) return "firmware package and boot payload";
  if (d.pcie && index == d.pcie->ecam) return "PCIe configuration space";
  if (d.pcie && (index == d.pcie->memory || index == d.pcie->io)) return "PCIe devices' registers";
  if (window.bypasses_smmu) return "can write memory past the SMMU, so no partition gets it";
  return {};
}

}  // namespace

std::vector<Piece> physical_map(const Description& d) {
  std::vector<Piece> pieces;
  pieces.push_back({d.tables.monitor.base, d.tables.monitor.size, Holder::kMonitor, std::string(d.tables.monitor.name),
                    "RAM of the monitor; no partition ever reaches it"});
  for (const board::MemoryRegion& region : d.memory.entries) {
    pieces.push_back({region.base, region.size, Holder::kParent, std::string(region.name),
                      "RAM: the parent's at boot, donated to enclaves frame by frame"});
  }
  for (std::size_t i = 0; i < d.windows.entries.size(); ++i) {
    const board::Mmio& window = d.windows.entries[i];
    pieces.push_back({window.base, window.size, holder_of(window.owner), std::string(window.name), note_of(d, i)});
  }
  for (const board::Device& device : d.devices.entries) {
    if (device.mmio_size == 0) continue;
    pieces.push_back({device.mmio_base, device.mmio_size, holder_of(device.owner), std::string(device.name),
                      "registers of the device"});
  }
  if (d.rom) {
    pieces.push_back({d.rom->base, d.rom->size, Holder::kRom, "rom", "first instruction; immutable"});
    pieces.push_back({d.rom->identity, d.rom->identity_size, Holder::kRom, "identity",
                      "device secret, minimum version, certificates"});
    pieces.push_back({d.rom->ram, d.rom->ram_size, Holder::kRom, "secure-ram", "reached from EL3 only"});
    pieces.push_back(
        {d.rom->console, base::kFrameSize, Holder::kRom, "rom-console",
         d.tables.uart_base == 0 ? "what the ROM and the monitor say, output only" : "what the ROM says, output only"});
  }
  return with_gaps(std::move(pieces));
}

std::vector<Piece> enclave_map(const board::Board& board) {
  std::vector<Piece> pieces;
  pieces.push_back({board.channel_ipa_base, board.limits.channels_per_enclave * base::kBlockSize, Holder::kParent,
                    "channels", "2 MiB of addresses for each, shared with the parent on purpose"});
  pieces.push_back({board.enclave_ram_base, memory_bytes(board), Holder::kAssignable, "memory",
                    "what was donated, in one piece; at most all of it"});
  return with_gaps(std::move(pieces));
}

std::vector<Piece> monitor_memory(const board::Board& board) {
  std::uint64_t next = board.monitor.base;
  std::vector<Piece> pieces;
  const auto add = [&](std::uint64_t bytes, const char* name, const char* note) {
    bytes = base::align_up(bytes, base::kFrameSize);
    pieces.push_back({next, bytes, Holder::kMonitor, name, note});
    next += bytes;
  };
  add(board::kImageOffset, "handover", "what the machine and the ROM leave before the image");
  add(board::kImageBytes, "image", "code, data, stacks: an upper bound");
  add(frame_table_bytes(board), "frame table", "who owns each frame: an upper bound");
  add(region_table_bytes(board), "region tables", "what each enclave is made of");
  add(parent_table_frames(board) * base::kFrameSize, "parent's tables", "stage 2, all of its memory split");
  add(enclave_table_frames(board) * base::kFrameSize, "enclaves' tables", "stage 2, all memory donated and split");
  const std::uint64_t used = next - board.monitor.base;
  pieces.push_back({next, board.monitor.size - used, Holder::kNobody, "spare", "not needed by these"});
  return pieces;
}

std::vector<Protection> protections_of(const board::Board& board) {
  return {
      {board.protections.smmu, board.protections.smmu
                                   ? "An SMMU confines every device to the memory of the partition that it belongs to."
                                   : "No SMMU: no device can be confined, so the parent drives none and none can be "
                                     "assigned. Documents say so."},
      {board.protections.secure_rom,
       board.protections.secure_rom
           ? "The ROM stays at EL3 and keeps the device secret where the monitor can't read it."
           : "No EL3 ROM: the device secret is only as safe as the monitor. Documents say so."},
      {board.protections.entropy, board.protections.entropy
                                      ? "The cores have a source of entropy; keys are made on the machine."
                                      : "No source of entropy: the monitor issues no keys and signs no documents."},
  };
}

std::string holder_text(Holder holder) {
  switch (holder) {
    case Holder::kMonitor:
      return "monitor";
    case Holder::kParent:
      return "parent";
    case Holder::kAssignable:
      return "assignable";
    case Holder::kRom:
      return "ROM";
    case Holder::kNobody:
      return "nobody";
  }
  return {};
}

Holder holder_of(board::Owner owner) {
  switch (owner) {
    case board::Owner::kMonitor:
      return Holder::kMonitor;
    case board::Owner::kParent:
      return Holder::kParent;
    case board::Owner::kAssignable:
      return Holder::kAssignable;
  }
  return Holder::kNobody;
}

std::string digest_text(const board::Board& board) {
  std::string text;
  for (const std::uint8_t byte : board.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace boardgen
