#include "tools/boardgen/description.hpp"

#include <algorithm>

#include "tools/boardgen/canonical.hpp"
#include "tools/boardgen/element_reader.hpp"
#include "tools/boardgen/explain.hpp"

namespace boardgen {
namespace {

board::View view_of(std::string_view text) {
  if (text == "pl031") return board::View::kPl031;
  if (text == "watchdog-control") return board::View::kWatchdogControl;
  if (text == "watchdog-refresh") return board::View::kWatchdogRefresh;
  return board::View::kNone;
}

board::Owner owner_of(std::string_view text) {
  if (text == "parent") return board::Owner::kParent;
  if (text == "assignable") return board::Owner::kAssignable;
  return board::Owner::kMonitor;
}

// Fills one Description. Order matters only for references: windows and interrupts come before those who name them,
// whatever their order in the file.
class Builder {
 public:
  Builder(Description& description, Diagnostics& diagnostics) : d_(description), diagnostics_(diagnostics) {}

  void build() {
    const Element& root = *d_.root;
    if (root.name != "board") {
      diagnostics_.push_back({root.place, "the root element is <" + root.name + ">", "it must be <board>"});
      return;
    }
    ElementReader reader(root, diagnostics_);
    reader.expect_attributes({"format", "name", "compatible"}, {});
    d_.tables.name = reader.name("name");
    d_.tables.compatible = reader.compatible("compatible");
    if (root.find("format") != nullptr && reader.text("format") != "1") {
      reader.refuse("format", "format '" + std::string(reader.text("format")) + "' is not known",
                    "this boardgen reads format 1");
    }
    reader.expect_children({"protections", "memory", "cores", "windows", "interrupt-controller", "message-interrupts",
                            "smmu", "console", "clock", "devices", "interrupts", "rom", "parent", "enclaves"});
    protections();
    memory();
    cores();
    windows();
    devices();
    interrupts();
    own_devices();
    rom();
    parent();
    enclaves();
    d_.tables.memory = d_.memory.entries;
    d_.tables.cores = d_.cores.entries;
    d_.tables.mmio = d_.windows.entries;
    d_.tables.devices = d_.devices.entries;
    d_.tables.interrupts = d_.interrupts.entries;
  }

 private:
  enum class Need { kRequired, kOptional };

  const Element* section(std::string_view name, Need need, const Element* parent = nullptr) {
    const Element& within = parent == nullptr ? *d_.root : *parent;
    const Element* found = nullptr;
    for (const auto& child : within.children) {
      if (child->name != name) continue;
      if (found != nullptr) {
        diagnostics_.push_back({child->place, "a second <" + child->name + "> in <" + within.name + ">",
                                "put all of it into the first, in line " + std::to_string(found->place.line)});
        continue;
      }
      found = child.get();
    }
    if (found == nullptr && need == Need::kRequired) {
      diagnostics_.push_back({within.place, "<" + within.name + "> has no <" + std::string(name) + ">",
                              "add one; boards/qemu-virt/board.xml shows it"});
    }
    return found;
  }

  // Calls read(ElementReader&, const Element&) for each <item> of the section.
  template <typename Read>
  void each(std::string_view section_name, std::string_view item, Need need, Read read) {
    const Element* found = section(section_name, need);
    if (found == nullptr) return;
    ElementReader reader(*found, diagnostics_);
    reader.expect_attributes({}, {});
    reader.expect_children({item});
    for (const auto& child : found->children) {
      if (child->name != item) continue;
      ElementReader child_reader(*child, diagnostics_);
      child_reader.expect_children({});
      read(child_reader, *child);
    }
  }

  void protections() {
    d_.protections = section("protections", Need::kRequired);
    if (d_.protections == nullptr) return;
    ElementReader reader(*d_.protections, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"smmu", "secure-rom", "entropy"}, {});
    d_.tables.protections.smmu = reader.choice("smmu", {"yes", "no"}) == "yes";
    d_.tables.protections.secure_rom = reader.choice("secure-rom", {"yes", "no"}) == "yes";
    d_.tables.protections.entropy = reader.choice("entropy", {"yes", "no"}) == "yes";
  }

  void memory() {
    bool owners_known = true;
    each("memory", "region", Need::kRequired, [&](ElementReader& reader, const Element& element) {
      reader.expect_attributes({"name", "base", "size", "owner"}, {});
      const board::MemoryRegion region{reader.name("name"), reader.number("base"), reader.number("size")};
      if (reader.choice("owner", {"monitor", "parent"}) == "parent") {
        d_.memory.entries.push_back(region);
        d_.memory.elements.push_back(&element);
        return;
      }
      if (reader.text("owner") != "monitor") {
        owners_known = false;
        return;
      }
      if (d_.monitor != nullptr) {
        reader.refuse("owner", "a second region of the monitor",
                      "the monitor has one piece of memory, in line " + std::to_string(d_.monitor->place.line));
        return;
      }
      d_.monitor = &element;
      d_.tables.monitor = region;
    });
    const Element* found = section_of("memory");
    if (d_.monitor == nullptr && found != nullptr && owners_known) {
      diagnostics_.push_back({found->place, "the monitor has no memory",
                              "add <region name=\"monitor\" base=... size=... owner=\"monitor\"/>"});
    }
  }

  void cores() {
    each("cores", "core", Need::kRequired, [&](ElementReader& reader, const Element& element) {
      reader.expect_attributes({"mpidr", "owner"}, {});
      const bool boot = reader.choice("owner", {"parent", "assignable"}) == "parent";
      d_.cores.entries.push_back({reader.number("mpidr"), boot});
      d_.cores.elements.push_back(&element);
    });
  }

  void windows() {
    each("windows", "window", Need::kRequired, [&](ElementReader& reader, const Element& element) {
      reader.expect_attributes({"name", "base", "size", "owner"}, {"dma", "parent-view"});
      const bool bypass = reader.choice("dma", {"bypass"}) == "bypass";
      const auto owner = owner_of(reader.choice("owner", {"monitor", "parent"}));
      const auto view = view_of(reader.choice("parent-view", {"pl031", "watchdog-control", "watchdog-refresh"}));
      d_.windows.entries.push_back(
          {reader.name("name"), reader.number("base"), reader.number("size"), owner, bypass, view});
      d_.windows.elements.push_back(&element);
    });
  }

  void devices() {
    each("devices", "device", Need::kOptional, [&](ElementReader& reader, const Element& element) {
      reader.expect_attributes({"name", "stream", "owner"}, {"base", "size", "interrupt"});
      if ((element.find("base") == nullptr) != (element.find("size") == nullptr)) {
        diagnostics_.push_back({element.place, "a device with registers has both 'base' and 'size'",
                                "add the other one, or remove both when it is reached through PCIe"});
      }
      if (element.find("interrupt") != nullptr && reader.text("interrupt") == "0") {
        reader.refuse("interrupt", "0 is not an SPI", "leave the attribute out when the device has none");
      }
      d_.devices.entries.push_back({reader.name("name"), base::StreamId{reader.small_number("stream")},
                                    reader.number("base"), reader.number("size"),
                                    base::Intid{reader.small_number("interrupt")},
                                    owner_of(reader.choice("owner", {"monitor", "parent", "assignable"}))});
      d_.devices.elements.push_back(&element);
    });
  }

  void interrupts() {
    each("interrupts", "interrupt", Need::kOptional, [&](ElementReader& reader, const Element& element) {
      reader.expect_attributes({"name", "intid", "owner"}, {});
      const std::string_view name = reader.name("name");
      for (std::size_t i = 0; i < d_.interrupt_names.size(); ++i) {
        if (d_.interrupt_names[i] != name) continue;
        reader.refuse("name", "a second interrupt called '" + std::string(name) + "'",
                      "rename it; the first stands in line " + std::to_string(d_.interrupts.elements[i]->place.line));
        break;
      }
      d_.interrupts.entries.push_back(
          {base::Intid{reader.small_number("intid")}, owner_of(reader.choice("owner", {"monitor", "parent"}))});
      d_.interrupts.elements.push_back(&element);
      d_.interrupt_names.push_back(name);
    });
  }

  // The window that an attribute names; reported when there is none.
  std::optional<std::size_t> window(ElementReader& reader, const Element& element, std::string_view attribute) {
    if (element.find(attribute) == nullptr) return std::nullopt;
    std::vector<std::string> known;
    for (std::size_t i = 0; i < d_.windows.entries.size(); ++i) {
      if (d_.windows.entries[i].name == reader.text(attribute)) return i;
      known.emplace_back(d_.windows.entries[i].name);
    }
    reader.refuse(attribute, "no window is called '" + std::string(reader.text(attribute)) + "'",
                  known.empty() ? "add it to <windows>" : "add it to <windows>, or use one of: " + joined(known));
    return std::nullopt;
  }
  std::uint64_t window_base(ElementReader& reader, const Element& element, std::string_view attribute) {
    const auto index = window(reader, element, attribute);
    return index ? d_.windows.entries[*index].base : 0;
  }

  void own_devices() {
    d_.controller = section("interrupt-controller", Need::kRequired);
    if (d_.controller != nullptr) {
      ElementReader reader(*d_.controller, diagnostics_);
      reader.expect_children({});
      reader.expect_attributes({"type", "distributor", "redistributor", "stride"}, {});
      (void)reader.choice("type", {"gic-v3"});
      d_.tables.gic_distributor = window_base(reader, *d_.controller, "distributor");
      d_.tables.gic_redistributor = window_base(reader, *d_.controller, "redistributor");
      d_.tables.gic_redistributor_stride = reader.number("stride");
    }
    d_.messages = section("message-interrupts", Need::kOptional);
    if (d_.messages != nullptr) {
      ElementReader reader(*d_.messages, diagnostics_);
      reader.expect_children({});
      reader.expect_attributes({"its", "first", "count", "offered"}, {});
      d_.tables.message_interrupts = {window_base(reader, *d_.messages, "its"),
                                      base::Intid{reader.small_number("first")}, reader.small_number("count"),
                                      reader.choice("offered", {"yes", "no"}) == "yes"};
    }
    d_.smmu = section("smmu", Need::kOptional);
    if (d_.smmu != nullptr) {
      ElementReader reader(*d_.smmu, diagnostics_);
      reader.expect_children({});
      reader.expect_attributes({"type", "window", "stream-bits"}, {});
      (void)reader.choice("type", {"smmu-v3"});
      d_.tables.smmu_base = window_base(reader, *d_.smmu, "window");
      d_.tables.smmu_stream_bits = reader.small_number("stream-bits");
    }
    d_.console = section("console", Need::kRequired);
    if (d_.console != nullptr) {
      ElementReader reader(*d_.console, diagnostics_);
      reader.expect_children({});
      // The ROM has a UART of its own, which <rom> describes.
      if (reader.choice("type", {"pl011", "rom"}) == "rom") {
        reader.expect_attributes({"type"}, {});
      } else {
        reader.expect_attributes({"type", "window"}, {});
        d_.tables.uart_base = window_base(reader, *d_.console, "window");
      }
    }
    d_.clock = section("clock", Need::kOptional);
    if (d_.clock != nullptr) {
      ElementReader reader(*d_.clock, diagnostics_);
      reader.expect_children({});
      reader.expect_attributes({"type", "window"}, {});
      (void)reader.choice("type", {"pl031"});
      d_.tables.rtc_base = window_base(reader, *d_.clock, "window");
    }
  }

  void rom() {
    d_.rom_element = section("rom", Need::kOptional);
    if (d_.rom_element == nullptr) return;
    ElementReader reader(*d_.rom_element, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"base", "size", "identity", "identity-size", "ram", "ram-size", "console", "package"},
                             {});
    const std::size_t package = window(reader, *d_.rom_element, "package").value_or(0);
    d_.rom =
        Rom{reader.number("base"), reader.number("size"),     reader.number("identity"), reader.number("identity-size"),
            reader.number("ram"),  reader.number("ram-size"), reader.number("console"),  package};
  }

  void parent() {
    d_.parent = section("parent", Need::kRequired);
    if (d_.parent == nullptr) return;
    ElementReader reader(*d_.parent, diagnostics_);
    reader.expect_children({"uart", "pcie", "command-device", "vsock"});
    reader.expect_attributes({"entry"}, {});
    d_.tables.parent_entry = reader.number("entry");
    d_.uart_element = section("uart", Need::kOptional, d_.parent);
    if (d_.uart_element != nullptr) uart();
    d_.pcie_element = section("pcie", Need::kOptional, d_.parent);
    if (d_.pcie_element != nullptr) pcie();
    d_.command_device = section("command-device", Need::kOptional, d_.parent);
    if (d_.command_device != nullptr) command_device();
    d_.vsock = section("vsock", Need::kOptional, d_.parent);
    if (d_.vsock != nullptr) vsock();
  }

  // The monitor plays a device in the window that the attribute names.
  void show(ElementReader& reader, const Element& element, std::string_view attribute, board::View view) {
    const auto index = window(reader, element, attribute);
    if (!index) return;
    board::Mmio& entry = d_.windows.entries[*index];
    if (entry.parent_view != board::View::kNone) {
      reader.refuse(attribute, "the parent sees something else in window '" + std::string(entry.name) + "'",
                    "add a window for this to <windows>");
      return;
    }
    entry.parent_view = view;
  }

  void command_device() {
    ElementReader reader(*d_.command_device, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"configuration", "memory"}, {});
    show(reader, *d_.command_device, "configuration", board::View::kCommandConfiguration);
    show(reader, *d_.command_device, "memory", board::View::kCommandMemory);
  }

  void vsock() {
    ElementReader reader(*d_.vsock, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"window", "interrupt"}, {});
    show(reader, *d_.vsock, "window", board::View::kVsock);
    d_.tables.vsock_interrupt = base::Intid{reader.small_number("interrupt")};
    if (d_.vsock->find("interrupt") != nullptr && reader.text("interrupt") == "0") {
      reader.refuse("interrupt", "0 is not an SPI", "write an INTID from 32 to 1018 that nothing else has");
    }
  }

  void uart() {
    const Element& element = *d_.uart_element;
    ElementReader reader(element, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"type", "window", "interrupt", "clock"}, {});
    (void)reader.choice("type", {"pl011"});
    const auto name = reader.text("interrupt");
    const std::size_t interrupt = interrupt_called(name);
    if (element.find("interrupt") != nullptr && interrupt == d_.interrupt_names.size()) {
      reader.refuse("interrupt", "no interrupt is called '" + std::string(name) + "'", "add it to <interrupts>");
    }
    d_.uart = Uart{window(reader, element, "window").value_or(0), interrupt, reader.small_number("clock")};
  }

  // The number of interrupts when there is none of this name.
  [[nodiscard]] std::size_t interrupt_called(std::string_view name) const {
    return static_cast<std::size_t>(std::find(d_.interrupt_names.begin(), d_.interrupt_names.end(), name) -
                                    d_.interrupt_names.begin());
  }

  void pcie() {
    const Element& element = *d_.pcie_element;
    ElementReader reader(element, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"ecam", "memory", "interrupts"}, {"io"});
    Pcie pcie{};
    pcie.ecam = window(reader, element, "ecam").value_or(0);
    pcie.memory = window(reader, element, "memory").value_or(0);
    pcie.io = window(reader, element, "io");
    std::string_view rest = reader.text("interrupts");
    std::size_t count = 0;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      const std::string_view name = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (name.empty()) continue;
      const std::size_t index = interrupt_called(name);
      if (index == d_.interrupt_names.size()) {
        reader.refuse("interrupts", "no interrupt is called '" + std::string(name) + "'", "add it to <interrupts>");
        return;
      }
      if (count < pcie.interrupts.size()) pcie.interrupts[count] = index;
      ++count;
    }
    if (element.find("interrupts") != nullptr && count != pcie.interrupts.size()) {
      reader.refuse("interrupts", std::to_string(count) + " interrupts for the four pins of PCIe",
                    "name four, for INTA, INTB, INTC and INTD");
    }
    d_.pcie = pcie;
  }

  void enclaves() {
    d_.enclaves = section("enclaves", Need::kRequired);
    if (d_.enclaves == nullptr) return;
    ElementReader reader(*d_.enclaves, diagnostics_);
    reader.expect_children({});
    reader.expect_attributes({"slots", "regions", "channels", "memory-min", "scrub-chunk", "ram-base", "channel-base"},
                             {});
    d_.tables.limits = {reader.small_number("slots"), reader.small_number("regions"), reader.small_number("channels"),
                        reader.number("memory-min"), reader.number("scrub-chunk")};
    d_.tables.enclave_ram_base = reader.number("ram-base");
    d_.tables.channel_ipa_base = reader.number("channel-base");
  }

  [[nodiscard]] const Element* section_of(std::string_view name) const {
    for (const auto& child : d_.root->children) {
      if (child->name == name) return child.get();
    }
    return nullptr;
  }

  Description& d_;
  Diagnostics& diagnostics_;
};

}  // namespace

DescriptionOrErrors read_description(std::string_view text) {
  auto parsed = parse_xml(text);
  if (const auto* refused = std::get_if<Diagnostic>(&parsed)) return Diagnostics{*refused};
  auto description = std::make_unique<Description>();
  description->root = std::move(std::get<std::unique_ptr<Element>>(parsed));
  Diagnostics diagnostics;
  Builder(*description, diagnostics).build();
  if (diagnostics.empty()) diagnostics = broken_rules(*description);
  if (!diagnostics.empty()) return diagnostics;
  description->tables.digest = digest_of(canonical_form(*description));
  return description;
}

}  // namespace boardgen
