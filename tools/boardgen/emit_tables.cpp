#include "tools/boardgen/emit.hpp"
#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }  // names hold no quotes

std::string truth(bool value) { return value ? "true" : "false"; }

std::string owner_constant(board::Owner owner) {
  switch (owner) {
    case board::Owner::kMonitor:
      return "Owner::kMonitor";
    case board::Owner::kParent:
      return "Owner::kParent";
    case board::Owner::kAssignable:
      return "Owner::kAssignable";
  }
  return {};
}

std::string view_constant(board::View view) {
  switch (view) {
    case board::View::kNone:
      return "View::kNone";
    case board::View::kPl031:
      return "View::kPl031";
    case board::View::kCommandConfiguration:
      return "View::kCommandConfiguration";
    case board::View::kCommandMemory:
      return "View::kCommandMemory";
    case board::View::kVsock:
      return "View::kVsock";
    case board::View::kWatchdogControl:
      return "View::kWatchdogControl";
    case board::View::kWatchdogRefresh:
      return "View::kWatchdogRefresh";
  }
  return {};
}

std::string region(const board::MemoryRegion& region) {
  return "{" + quoted(region.name) + ", " + hexadecimal(region.base) + ", " + hexadecimal(region.size) + "}";
}

template <typename T, typename Format>
std::string table(const char* type, const char* name, const std::vector<T>& entries, Format format) {
  std::string text =
      "inline constexpr std::array<" + std::string(type) + ", " + std::to_string(entries.size()) + "> " + name + "{{\n";
  for (const T& entry : entries) text += "    " + format(entry) + ",\n";
  return text + "}};\n";
}

std::string constant(const char* type, const char* name, const std::string& value) {
  return "inline constexpr " + std::string(type) + " " + name + " = " + value + ";\n";
}

std::string tables_of(const Description& d) {
  std::string text = table("MemoryRegion", "kBoardMemory", d.memory.entries, region);
  text += table("Core", "kBoardCores", d.cores.entries,
                [](const board::Core& core) { return "{" + hexadecimal(core.mpidr) + ", " + truth(core.boot) + "}"; });
  text += table("Mmio", "kBoardMmio", d.windows.entries, [](const board::Mmio& window) {
    return "{" + quoted(window.name) + ", " + hexadecimal(window.base) + ", " + hexadecimal(window.size) + ", " +
           owner_constant(window.owner) + ", " + truth(window.bypasses_smmu) + ", " + view_constant(window.parent_view) + "}";
  });
  text += table("Device", "kBoardDevices", d.devices.entries, [](const board::Device& device) {
    return "{" + quoted(device.name) + ", base::StreamId{" + hexadecimal(device.stream.value) + "}, " +
           hexadecimal(device.mmio_base) + ", " + hexadecimal(device.mmio_size) + ", base::Intid{" +
           std::to_string(device.interrupt.value) + "}, " + owner_constant(device.owner) + "}";
  });
  text += table("Interrupt", "kBoardInterrupts", d.interrupts.entries, [](const board::Interrupt& interrupt) {
    return "{base::Intid{" + std::to_string(interrupt.intid.value) + "}, " + owner_constant(interrupt.owner) + "}";
  });
  return text;
}

std::string board_of(const board::Board& board) {
  std::string text = "inline constexpr Board kBoard{\n";
  const auto field = [&](const char* name, const std::string& value) {
    text += "    ." + std::string(name) + " = " + value + ",\n";
  };
  const board::Limits& limits = board.limits;
  field("name", quoted(board.name));
  field("compatible", quoted(board.compatible));
  field("memory", "kBoardMemory");
  field("monitor", region(board.monitor));
  field("cores", "kBoardCores");
  field("mmio", "kBoardMmio");
  field("devices", "kBoardDevices");
  field("interrupts", "kBoardInterrupts");
  field("limits", "{" + std::to_string(limits.enclaves) + ", " + std::to_string(limits.regions_per_enclave) + ", " +
                      std::to_string(limits.channels_per_enclave) + ", " + hexadecimal(limits.enclave_memory_min) +
                      ", " + hexadecimal(limits.scrub_chunk) + "}");
  field("protections", "{" + truth(board.protections.smmu) + ", " + truth(board.protections.secure_rom) + ", " +
                           truth(board.protections.entropy) + "}");
  field("gic_distributor", hexadecimal(board.gic_distributor));
  field("gic_redistributor", hexadecimal(board.gic_redistributor));
  field("gic_redistributor_stride", hexadecimal(board.gic_redistributor_stride));
  const board::MessageInterrupts& messages = board.message_interrupts;
  field("message_interrupts", "{" + hexadecimal(messages.its_base) + ", base::Intid{" +
                                  std::to_string(messages.first.value) + "}, " + std::to_string(messages.count) + ", " +
                                  truth(messages.offered) + "}");
  field("smmu_base", hexadecimal(board.smmu_base));
  field("smmu_stream_bits", std::to_string(board.smmu_stream_bits));
  field("uart_base", hexadecimal(board.uart_base));
  field("rtc_base", hexadecimal(board.rtc_base));
  field("vsock_interrupt", "base::Intid{" + std::to_string(board.vsock_interrupt.value) + "}");
  field("parent_entry", hexadecimal(board.parent_entry));
  field("enclave_ram_base", hexadecimal(board.enclave_ram_base));
  field("channel_ipa_base", hexadecimal(board.channel_ipa_base));
  text += "    .digest = {";
  for (std::size_t i = 0; i < board.digest.size(); ++i) {
    text += (i % 16 == 0 ? "\n        " : " ") + hexadecimal(board.digest[i]) + ",";
  }
  return text + "\n    },\n};\n";
}

std::string constants_of(const Description& d) {
  const board::Board& board = d.tables;
  std::string text = constant("std::uint32_t", "kMaxEnclaves", std::to_string(board.limits.enclaves));
  text += constant("std::uint32_t", "kMaxCores", std::to_string(board.cores.size()));
  text += constant("std::uint32_t", "kMaxRegionsPerEnclave", std::to_string(board.limits.regions_per_enclave));
  text += constant("std::uint32_t", "kMaxChannelsPerEnclave", std::to_string(board.limits.channels_per_enclave));
  text += constant("std::uint64_t", "kFrameTableBase", hexadecimal(frame_table_base(board)));
  text += constant("std::uint64_t", "kFrameTableFrames", std::to_string(frame_table_frames(board)));
  text += constant("std::uint64_t", "kTableFrames", std::to_string(table_frames(board)));
  const Rom rom = d.rom.value_or(Rom{});
  const board::Mmio package = d.rom ? d.windows.entries[rom.package] : board::Mmio{};
  text += "\n// What the ROM works with; zero on a board that has none.\n";
  text += constant("std::uint64_t", "kRomBase", hexadecimal(rom.base));
  text += constant("std::uint64_t", "kRomSize", hexadecimal(rom.size));
  text += constant("std::uint64_t", "kRomIdentityBase", hexadecimal(rom.identity));
  text += constant("std::uint64_t", "kRomIdentitySize", hexadecimal(rom.identity_size));
  text += constant("std::uint64_t", "kRomRamBase", hexadecimal(rom.ram));
  text += constant("std::uint64_t", "kRomRamSize", hexadecimal(rom.ram_size));
  text += constant("std::uint64_t", "kRomConsoleBase", hexadecimal(rom.console));
  text += constant("std::uint64_t", "kPackageBase", hexadecimal(package.base));
  text += constant("std::uint64_t", "kPackageSize", hexadecimal(package.size));
  return text;
}

}  // namespace

std::string emit_tables(const Description& d) {
  std::string text = "// Generated by tools/boardgen from the board.xml of board '" + std::string(d.tables.name) +
                     "'. Change that file, not this one.\n#pragma once\n\n#include <array>\n#include <cstdint>\n\n"
                     "#include \"firmware/board/validate.hpp\"\n\nnamespace board {\n\n";
  text += tables_of(d) + "\n" + board_of(d.tables) + "\n" + constants_of(d);
  text +=
      "\nstatic_assert(validate(kBoard) == kValid, \"these tables break a rule of firmware/board/validate.hpp\");\n"
      "static_assert(kFrameTableBase == frame_table_base(kBoard) && kFrameTableFrames == frame_table_frames(kBoard));\n"
      "static_assert(kTableFrames == table_frames(kBoard));\n"
      "static_assert(kMaxEnclaves == kBoard.limits.enclaves && kMaxCores == kBoard.cores.size());\n"
      "static_assert(kMaxRegionsPerEnclave == kBoard.limits.regions_per_enclave);\n"
      "static_assert(kMaxChannelsPerEnclave == kBoard.limits.channels_per_enclave);\n"
      "\n}  // namespace board\n";
  return text;
}

}  // namespace boardgen
