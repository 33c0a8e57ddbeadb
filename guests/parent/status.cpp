// cofferdam-status [--json]: what the monitor shows the parent, as text or JSON. Runs as root in the parent's Linux.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "guests/parent/call_device.hpp"
#include "guests/parent/status_text.hpp"

namespace {

constexpr std::size_t kEntryMax = 4096;
constexpr std::uint64_t kEntriesMax = 4096;  // a section that claims more is not believed

bool read_section(parent::CallDevice& device, std::uint64_t section, std::vector<parent::Entry>& entries) {
  constexpr std::int64_t kOutOfRange = -5;
  for (std::uint64_t index = 0; index < kEntriesMax; ++index) {
    parent::Entry entry(kEntryMax);
    parent::CallResult result;
    if (!device.call(static_cast<std::uint32_t>(cofferdam_abi::Function::kStatusRead),
                     {section, index, 0, kEntryMax, 0, 0}, entry, 3, result)) {
      std::fprintf(stderr, "cofferdam-status: the device refuses the call: %s\n", std::strerror(errno));
      return false;
    }
    const auto status = static_cast<std::int64_t>(result.x[0]);
    if (status == kOutOfRange) return true;  // the end, or the section has shrunk meanwhile
    if (status != 0 || result.x[1] > kEntryMax) {
      std::fprintf(stderr, "cofferdam-status: section %llu: the monitor answers %lld\n",
                   static_cast<unsigned long long>(section), static_cast<long long>(status));
      return false;
    }
    entry.resize(result.x[1]);
    entries.push_back(std::move(entry));
    if (index + 1 >= result.x[2]) return true;  // all that there are: asking further would count as a refused call
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const bool json = count == 2 && std::string_view{arguments[1]} == "--json";
  if (count > 2 || (count == 2 && !json)) {
    std::fprintf(stderr, "usage: cofferdam-status [--json]\n");
    return 2;
  }
  parent::CallDevice device;
  if (!device.open()) {
    std::fprintf(stderr, "cofferdam-status: /dev/cofferdam: %s (is the module loaded?)\n", std::strerror(errno));
    return 1;
  }
  parent::Sections sections;
  for (std::uint64_t section = 0; section < sections.size(); ++section) {
    if (!read_section(device, section, sections[section])) return 1;
  }
  const std::string text = json ? parent::status_json(sections) + "\n" : parent::status_text(sections);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}
