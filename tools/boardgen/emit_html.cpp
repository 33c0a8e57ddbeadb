#include "tools/boardgen/address_map.hpp"
#include "tools/boardgen/emit.hpp"
#include "tools/boardgen/format.hpp"
#include "tools/boardgen/svg_map.hpp"

namespace boardgen {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #1d2530; --faint: #67707d; --line: #dcd8cf; --card: #ffffff;
  --monitor: #33476b; --parent: #1f7a6d; --assignable: #b4532a; --rom: #8a6a12; --on: #ffffff; --gap: #efece5; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181f; --ink: #e6e9ee; --faint: #98a2b0; --line: #2c333e; --card: #1b212a;
    --monitor: #4f6aa0; --parent: #2a8f80; --assignable: #c4673d; --rom: #a2812a; --on: #ffffff; --gap: #202732; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans",
  sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 34px; line-height: 1.15; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 44px 0 8px; }
p { margin: 6px 0 14px; max-width: 68ch; }
.sub { color: var(--faint); margin: 4px 0 20px; }
code, .address, td.mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-variant-numeric: tabular-nums; }
.digest { font-size: 12.5px; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 10px 14px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 22px 0 0;
  padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; color:
  var(--faint); font-size: 14px; }
.tiles b { display: block; font-size: 24px; color: var(--ink); font-weight: 600; line-height: 1.25; }
.marks { list-style: none; padding: 0; margin: 0; }
.marks li { padding: 8px 0 8px 74px; position: relative; border-bottom: 1px solid var(--line); }
.marks li::before { position: absolute; left: 0; width: 54px; text-align: center; border-radius: 4px; font-size: 13px;
  font-weight: 600; color: var(--on); }
.marks li.yes::before { content: "yes"; background: var(--parent); }
.marks li.no::before { content: "no"; background: var(--assignable); }
figure { margin: 10px 0 0; padding: 14px 18px; background: var(--card); border: 1px solid var(--line); border-radius:
  8px; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 700px; height: auto; }
.key { display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: 14px; color: var(--faint); margin: 0 0 4px; padding:
  0; list-style: none; }
.key i { display: inline-block; width: 13px; height: 13px; border-radius: 3px; margin-right: 7px; vertical-align:
  -1px; }
svg text { fill: var(--ink); font-size: 13px; }
svg .address { text-anchor: end; fill: var(--faint); font-size: 12.5px; }
svg .name { fill: var(--on); font-weight: 600; }
svg .size { fill: var(--on); text-anchor: end; }
svg .size-plain { text-anchor: end; }
svg .note { fill: var(--faint); }
svg .strong { fill: var(--ink); font-weight: 600; }
svg .faint { fill: var(--faint); font-size: 12px; }
svg .centred { text-anchor: middle; }
svg .gap { fill: var(--gap); stroke: var(--line); stroke-dasharray: 4 4; }
.monitor { fill: var(--monitor); background: var(--monitor); } .parent { fill: var(--parent); background:
  var(--parent); }
.assignable { fill: var(--assignable); background: var(--assignable); } .rom { fill: var(--rom); background:
  var(--rom); }
.shade0 { fill: var(--faint); } .shade1 { fill: var(--monitor); } .shade2 { fill: var(--rom); }
.shade3 { fill: #7d5fa6; } .shade4 { fill: var(--parent); } .shade5 { fill: var(--assignable); }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; margin-top: 8px; }
th { text-align: left; font-weight: 600; color: var(--faint); border-bottom: 1px solid var(--line);
  padding: 6px 14px 6px 0; }
td { border-bottom: 1px solid var(--line); padding: 6px 14px 6px 0; vertical-align: top; }
@media print { body { background: none; } figure, .tiles li { break-inside: avoid; } }
)";

// Names of a board hold no character that HTML would escape.
std::string element(const char* name, const std::string& content) {
  return "<" + std::string(name) + ">" + content + "</" + name + ">\n";
}

std::string tile(const std::string& value, const std::string& words) {
  return "<li><b>" + value + "</b>" + words + "</li>\n";
}

std::string table(std::initializer_list<const char*> head, const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<table><thead><tr>";
  for (const char* cell : head) text += "<th>" + std::string(cell) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (const std::string& cell : row) {
      text += std::string(cell.starts_with("0x") ? "<td class=\"mono\">" : "<td>") + cell + "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string at_a_glance(const board::Board& board) {
  std::size_t assignable = 0;
  for (const board::Device& device : board.devices) assignable += device.owner == board::Owner::kAssignable ? 1 : 0;
  return "<ul class=\"tiles\">\n" + tile(rounded_size(memory_bytes(board)), "memory for the parent and enclaves") +
         tile(rounded_size(board.monitor.size), "kept by the monitor") +
         tile(std::to_string(board.cores.size()), "cores, one always the parent's") +
         tile(std::to_string(board.limits.enclaves), "enclaves at once, at most") +
         tile(std::to_string(assignable), "devices that an enclave can have") + "</ul>\n";
}

std::string protections(const board::Board& board) {
  std::string text = "<ul class=\"marks\">\n";
  for (const Protection& protection : protections_of(board)) {
    text += std::string("<li class=\"") + (protection.given ? "yes" : "no") + "\">" + protection.sentence + "</li>\n";
  }
  return text + "</ul>\n";
}

std::string key(bool rom) {
  return "<ul class=\"key\"><li><i class=\"monitor\"></i>monitor</li><li><i class=\"parent\"></i>parent</li>"
         "<li><i class=\"assignable\"></i>assignable to an enclave</li>" +
         std::string(rom ? "<li><i class=\"rom\"></i>ROM, EL3 only</li>" : "") + "</ul>\n";
}

std::string parts(const Description& d) {
  const board::Board& board = d.tables;
  std::vector<std::vector<std::string>> cores, devices, interrupts;
  for (std::size_t i = 0; i < board.cores.size(); ++i) {
    cores.push_back(
        {std::to_string(i), hexadecimal(board.cores[i].mpidr),
         board.cores[i].boot ? "the parent starts here and keeps it" : "the parent's, until it donates it"});
  }
  for (const board::Device& device : board.devices) {
    const char* whose = device.owner == board::Owner::kParent    ? "parent"
                        : device.owner == board::Owner::kMonitor ? "monitor: its DMA aborts"
                                                                 : "parent, until an enclave has it";
    devices.push_back({std::string(device.name), hexadecimal(device.stream.value),
                       device.mmio_size == 0 ? "through PCIe" : range_text(device.mmio_base, device.mmio_size),
                       device.interrupt.value == 0 ? "none of its own" : std::to_string(device.interrupt.value),
                       whose});
  }
  for (std::size_t i = 0; i < board.interrupts.size(); ++i) {
    const std::uint32_t intid = board.interrupts[i].intid.value;
    interrupts.push_back({std::string(d.interrupt_names[i]), std::to_string(intid),
                          std::to_string(intid - board::kFirstSpi), holder_text(holder_of(board.interrupts[i].owner))});
  }
  std::string text = element("h2", "Cores") + table({"core", "MPIDR", "whose"}, cores);
  text += element("h2", "Devices behind the SMMU");
  text += devices.empty() ? element("p", "None.") : table({"device", "stream", "registers", "INTID", "whose"}, devices);
  if (!interrupts.empty()) {
    text += element("h2", "Interrupts") + table({"interrupt", "INTID", "SPI", "whose"}, interrupts);
  }
  return text;
}

}  // namespace

std::string emit_html(const Description& d) {
  const board::Board& board = d.tables;
  const std::string name(board.name);
  std::string text =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Board " +
      name + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n";
  text += element("h1", "Board " + name);
  text += "<p class=\"sub\">" + std::string(board.compatible) + ", as the monitor is built for it</p>\n";
  text += at_a_glance(board);
  text += element("h2", "What this hardware protects") + protections(board);
  text += element("h2", "Who owns which addresses");
  text += element("p",
                  "Physical addresses grow downwards; heights grow with the logarithm of the size. What is not "
                  "described is mapped for nobody.");
  text += "<figure>\n" + key(d.rom.has_value()) + draw_map(physical_map(d), "Physical memory map of " + name) +
          "</figure>\n";
  text += element("h2", "What an enclave sees");
  text += element("p", "Every enclave has the same addresses of its own; nothing else is mapped for it.");
  text += "<figure>\n" + draw_map(enclave_map(board), "Address map of an enclave") + "</figure>\n";
  text += element("h2", "What the monitor's memory must hold");
  text += element("p", "To scale, of " + rounded_size(board.monitor.size) + ". " + std::to_string(table_frames(board)) +
                           " frames for stage-2 tables suffice in every case, so no partition can use them up: " +
                           std::to_string(parent_table_frames(board)) + " for the parent, " +
                           std::to_string(enclave_table_frames(board)) + " for all enclaves together.");
  text += "<figure>\n" + draw_bar(monitor_memory(board), "What the monitor's memory must hold") + "</figure>\n";
  text += parts(d);
  text += element("h2", "Digest");
  text += element("p",
                  "SHA-384 of <code>board.json</code>, the canonical form of this description. It is measured at "
                  "boot, so an attestation document names the board that it speaks of.");
  text += "<p class=\"digest\"><code>" + digest_text(board) + "</code></p>\n";
  return text + "</main>\n</body>\n</html>\n";
}

}  // namespace boardgen
