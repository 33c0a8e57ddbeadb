#include "tools/boardgen/canonical.hpp"

#include "firmware/crypto/sha384.hpp"
#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

// Only what a board needs: objects and lists of values that hold no character JSON would escape.
class JsonWriter {
 public:
  void open(const char* key, char bracket) {
    start(key);
    text_ += bracket;
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) line();
    text_ += bracket;
    first_ = false;
  }
  void text(const char* key, std::string_view value) {
    start(key);
    text_ += "\"" + std::string(value) + "\"";
  }
  void address(const char* key, std::uint64_t value) { text(key, hexadecimal(value)); }  // doubles hold 53 bits
  void number(const char* key, std::uint64_t value) {
    start(key);
    text_ += std::to_string(value);
  }
  void truth(const char* key, bool value) {
    start(key);
    text_ += value ? "true" : "false";
  }
  [[nodiscard]] std::string take() { return std::move(text_) + "\n"; }

 private:
  void start(const char* key) {
    if (!first_) text_ += ",";
    if (depth_ > 0) line();
    first_ = false;
    if (key != nullptr) text_ += "\"" + std::string(key) + "\": ";
  }
  void line() { text_ += "\n" + std::string(2 * depth_, ' '); }

  std::string text_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

std::string_view owner(board::Owner owner) {
  switch (owner) {
    case board::Owner::kMonitor:
      return "monitor";
    case board::Owner::kParent:
      return "parent";
    case board::Owner::kAssignable:
      return "assignable";
  }
  return {};
}

std::string_view view(board::View view) {
  switch (view) {
    case board::View::kNone:
      return "none";
    case board::View::kPl031:
      return "pl031";
    case board::View::kCommandConfiguration:
      return "command-configuration";
    case board::View::kCommandMemory:
      return "command-memory";
    case board::View::kVsock:
      return "vsock";
    case board::View::kWatchdogControl:
      return "watchdog-control";
    case board::View::kWatchdogRefresh:
      return "watchdog-refresh";
  }
  return {};
}

template <typename T, typename Write>
void list(JsonWriter& json, const char* key, const std::vector<T>& entries, Write write) {
  json.open(key, '[');
  for (std::size_t i = 0; i < entries.size(); ++i) {
    json.open(nullptr, '{');
    write(entries[i], i);
    json.close('}');
  }
  json.close(']');
}

void write_region(JsonWriter& json, const board::MemoryRegion& region) {
  json.text("name", region.name);
  json.address("base", region.base);
  json.address("size", region.size);
}

void write_tables(JsonWriter& json, const Description& d) {
  json.open("monitor", '{');
  write_region(json, d.tables.monitor);
  json.close('}');
  list(json, "memory", d.memory.entries, [&](const auto& region, std::size_t) { write_region(json, region); });
  list(json, "cores", d.cores.entries, [&](const board::Core& core, std::size_t) {
    json.address("mpidr", core.mpidr);
    json.text("owner", core.boot ? "parent" : "assignable");
  });
  list(json, "windows", d.windows.entries, [&](const board::Mmio& window, std::size_t) {
    json.text("name", window.name);
    json.address("base", window.base);
    json.address("size", window.size);
    json.text("owner", owner(window.owner));
    json.text("dma", window.bypasses_smmu ? "bypass" : "none");
    json.text("parent-view", view(window.parent_view));
  });
  list(json, "devices", d.devices.entries, [&](const board::Device& device, std::size_t) {
    json.text("name", device.name);
    json.address("stream", device.stream.value);
    json.address("base", device.mmio_base);
    json.address("size", device.mmio_size);
    json.number("interrupt", device.interrupt.value);
    json.text("owner", owner(device.owner));
  });
  list(json, "interrupts", d.interrupts.entries, [&](const board::Interrupt& interrupt, std::size_t index) {
    json.text("name", d.interrupt_names[index]);
    json.number("intid", interrupt.intid.value);
    json.text("owner", owner(interrupt.owner));
  });
}

void write_own_devices(JsonWriter& json, const Description& d) {
  const board::Board& board = d.tables;
  json.open("interrupt-controller", '{');
  json.text("type", "gic-v3");
  json.address("distributor", board.gic_distributor);
  json.address("redistributor", board.gic_redistributor);
  json.address("stride", board.gic_redistributor_stride);
  json.close('}');
  json.open("message-interrupts", '{');
  if (board.message_interrupts.its_base != 0) {
    json.address("its", board.message_interrupts.its_base);
    json.number("first", board.message_interrupts.first.value);
    json.number("count", board.message_interrupts.count);
    json.truth("offered", board.message_interrupts.offered);
  }
  json.close('}');
  json.open("smmu", '{');
  if (board.smmu_base != 0) {
    json.text("type", "smmu-v3");
    json.address("base", board.smmu_base);
    json.number("stream-bits", board.smmu_stream_bits);
  }
  json.close('}');
  json.open("console", '{');
  json.text("type", board.uart_base != 0 ? "pl011" : "rom");
  if (board.uart_base != 0) json.address("base", board.uart_base);
  json.close('}');
  json.open("clock", '{');
  if (board.rtc_base != 0) {
    json.text("type", "pl031");
    json.address("base", board.rtc_base);
  }
  json.close('}');
  json.open("rom", '{');
  if (d.rom) {
    json.address("base", d.rom->base);
    json.address("size", d.rom->size);
    json.address("identity", d.rom->identity);
    json.address("identity-size", d.rom->identity_size);
    json.address("ram", d.rom->ram);
    json.address("ram-size", d.rom->ram_size);
    json.address("console", d.rom->console);
    json.text("package", d.windows.entries[d.rom->package].name);
  }
  json.close('}');
}

void write_partitions(JsonWriter& json, const Description& d) {
  const board::Board& board = d.tables;
  json.open("parent", '{');
  json.address("entry", board.parent_entry);
  json.open("uart", '{');
  if (d.uart) {
    json.text("window", d.windows.entries[d.uart->window].name);
    json.number("interrupt", d.interrupts.entries[d.uart->interrupt].intid.value);
    json.number("clock", d.uart->clock);
  }
  json.close('}');
  json.open("pcie", '{');
  if (d.pcie) {
    json.text("ecam", d.windows.entries[d.pcie->ecam].name);
    json.text("memory", d.windows.entries[d.pcie->memory].name);
    json.text("io", d.pcie->io ? d.windows.entries[*d.pcie->io].name : "");
    json.open("interrupts", '[');
    for (const std::size_t index : d.pcie->interrupts) json.number(nullptr, d.interrupts.entries[index].intid.value);
    json.close(']');
  }
  json.close('}');
  json.open("command-device", '{');
  if (const auto configuration = window_of(board, board::View::kCommandConfiguration)) {
    json.text("configuration", configuration->name);
    json.text("memory", window_of(board, board::View::kCommandMemory)->name);
  }
  json.close('}');
  json.open("vsock", '{');
  if (const auto window = window_of(board, board::View::kVsock)) {
    json.text("window", window->name);
    json.number("interrupt", board.vsock_interrupt.value);
  }
  json.close('}');
  json.close('}');
  json.open("enclaves", '{');
  json.number("slots", board.limits.enclaves);
  json.number("regions", board.limits.regions_per_enclave);
  json.number("channels", board.limits.channels_per_enclave);
  json.address("memory-min", board.limits.enclave_memory_min);
  json.address("scrub-chunk", board.limits.scrub_chunk);
  json.address("ram-base", board.enclave_ram_base);
  json.address("channel-base", board.channel_ipa_base);
  json.close('}');
}

}  // namespace

std::string canonical_form(const Description& d) {
  JsonWriter json;
  json.open(nullptr, '{');
  json.number("format", 1);
  json.text("name", d.tables.name);
  json.text("compatible", d.tables.compatible);
  json.open("protections", '{');
  json.truth("smmu", d.tables.protections.smmu);
  json.truth("secure-rom", d.tables.protections.secure_rom);
  json.truth("entropy", d.tables.protections.entropy);
  json.close('}');
  write_tables(json, d);
  write_own_devices(json, d);
  write_partitions(json, d);
  json.close('}');
  return json.take();
}

std::array<std::uint8_t, 48> digest_of(const std::string& canonical) {
  return crypto::sha384({reinterpret_cast<const std::uint8_t*>(canonical.data()), canonical.size()});
}

}  // namespace boardgen
