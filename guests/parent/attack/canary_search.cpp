// Root looks for a word that it must not find: in all of its memory, in files, in the edu device's buffer.
//
//   canary-search memory MASKED MASK [STRIDE]  every page of every range that /proc/iomem calls System RAM. Where a read is
//                                              refused, the rest of those 2 MiB is tried at every STRIDE (4096)
//   canary-search file MASKED MASK FILE...     disks, configuration spaces
//   canary-search range MASKED MASK FIRST LAST  the registers of a device
//   canary-search device MASKED MASK           what edu remembers
//   canary-search --anywhere memory|file ...   the word's eight bytes at any address, as text lies; without it at multiples of eight
//
// MASKED may be several, with commas between them: all are looked for at once, and each has its own count of hits.
// The word itself is MASKED ^ MASK, and is never computed: a register or a spilled copy of it would be found. Prints counts.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "guests/parent/attack/dma.hpp"
#include "guests/parent/attack/kernel_access.hpp"

namespace attack {
namespace {

constexpr std::uint64_t kBlock = 2 << 20;
constexpr std::size_t kFileChunk = 1 << 20;

constexpr std::size_t kMostSought = 8;
using Hits = std::array<std::uint64_t, kMostSought>;

struct Sought {
  std::array<std::uint64_t, kMostSought> masked;
  std::size_t count;
  std::uint64_t mask;
  bool anywhere;
  void count_in(std::uint64_t word, Hits& hits) const {
    word ^= mask;
    asm volatile("" : "+r"(word));  // or the compiler compares with the constant masked ^ mask
    for (std::size_t at = 0; at < count; ++at) hits[at] += word == masked[at];
  }
  // In the word, or, anywhere, beginning in the one before it.
  void look_at(std::uint64_t word, std::uint64_t before, Hits& hits) const {
    count_in(word, hits);
    if (!anywhere) return;
    for (unsigned bits = 8; bits < 64; bits += 8) count_in(before >> bits | word << (64 - bits), hits);
  }
};

struct Found {
  std::uint64_t words{}, refused{}, first_refused{};
  Hits hits{};
  std::uint64_t last{};  // the word that was looked at last
  void look_at(std::uint64_t word, const Sought& sought) {
    if ((word | last) != 0) sought.look_at(word, last, hits);  // most memory is zero; no word that is sought is (main)
    last = word;
    ++words;
  }
};

struct Range {
  std::uint64_t first, last;
};

// Lines such as "  44200000-ffffffff : System RAM"; without the right to see them they would all be zero.
std::vector<Range> system_ram() {
  std::vector<Range> ranges;
  std::FILE* const file = std::fopen("/proc/iomem", "r");
  if (file == nullptr) give_up("canary-search: /proc/iomem");
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long first = 0, last = 0;
    if (line[0] == ' ' || std::strstr(line, "System RAM") == nullptr) continue;
    if (std::sscanf(line, "%llx-%llx", &first, &last) == 2 && last > first) ranges.push_back({first, last});
  }
  std::fclose(file);
  return ranges;
}

// One block, mapped whole.
class Block {
 public:
  Block(std::uint64_t address, std::uint64_t size) : size_(size) {
    base_ = mmap(nullptr, size, PROT_READ, MAP_SHARED, device(), static_cast<off_t>(address));
    if (base_ == MAP_FAILED) give_up("canary-search: mapping memory");
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { munmap(base_, size_); }

  // False: refused.
  [[nodiscard]] bool search_page(std::uint64_t at, const Sought& sought, Found& found) const {
    if (sigsetjmp(refused_here, 0) != 0) return false;
    const auto* words = reinterpret_cast<const volatile std::uint64_t*>(static_cast<const char*>(base_) + at);
    Found page = found;
    for (std::size_t index = 0; index < kPage / sizeof(std::uint64_t); ++index) page.look_at(words[index], sought);
    found = page;
    return true;
  }

 private:
  std::uint64_t size_;
  void* base_;
};

Found search_memory(const Sought& sought, std::uint64_t stride) {
  Found found;
  for (const Range& range : system_ram()) {
    for (std::uint64_t block = range.first & ~(kBlock - 1); block <= range.last; block += kBlock) {
      const std::uint64_t first = std::max(block, range.first & ~(kPage - 1)), end = std::min(block + kBlock, range.last + 1) & ~(kPage - 1);
      if (first >= end) continue;
      const Block memory(first, end - first);
      std::uint64_t step = kPage;
      for (std::uint64_t at = 0; at < end - first; at += step) {
        if (memory.search_page(at, sought, found)) continue;
        if (found.refused++ == 0) found.first_refused = first + at;
        step = stride;
      }
    }
  }
  return found;
}

// Registers are read as 32 bits, and any two neighbours may be the word.
Found search_registers(const Sought& sought, const Range& range) {
  Found found;
  for (std::uint64_t page = range.first; page < range.last; page += kPage) {
    const PhysicalPage registers(page, PROT_READ);
    std::uint64_t pair = 0;
    for (std::uint64_t at = 0; at < kPage && page + at < range.last; at += sizeof(std::uint32_t), ++found.words) {
      const auto value = registers.read<std::uint32_t>(at);
      if (!value && found.refused++ == 0) found.first_refused = page + at;
      pair = pair >> 32 | std::uint64_t{value.value_or(0)} << 32;
      sought.count_in(pair, found.hits);
    }
  }
  return found;
}

void search_file(const Sought& sought, const char* path, Found& found) {
  const int file = open(path, O_RDONLY);
  if (file < 0) give_up(path);
  found.last = 0;
  std::vector<std::uint64_t> chunk(kFileChunk / sizeof(std::uint64_t));
  for (std::size_t have = 0;;) {
    const ssize_t count = read(file, reinterpret_cast<char*>(chunk.data()) + have, kFileChunk - have);
    if (count < 0) give_up(path);
    have += static_cast<std::size_t>(count);
    if (count != 0 && have < kFileChunk) continue;
    for (std::size_t index = 0; index < have / sizeof(std::uint64_t); ++index) found.look_at(chunk[index], sought);
    if (count == 0 && have % sizeof(std::uint64_t) != 0) {  // the end of a file that is no multiple of eight
      std::uint64_t rest = 0;
      std::memcpy(&rest, chunk.data() + have / sizeof(std::uint64_t), have % sizeof(std::uint64_t));
      found.look_at(rest, sought);
    }
    if (count == 0) break;
    have = 0;
  }
  close(file);
}

int say(const char* where, const Sought& sought, const Found& found) {
  std::string hits;
  for (std::size_t at = 0; at < sought.count; ++at) hits += (at == 0 ? "" : ",") + std::to_string(found.hits[at]);
  std::printf("canary-search: %s: %llu words, %s hits, %llu refused, the first at 0x%llx\n", where, static_cast<unsigned long long>(found.words),
              hits.c_str(), static_cast<unsigned long long>(found.refused), static_cast<unsigned long long>(found.first_refused));
  return found.hits == Hits{} ? 3 : 0;
}

int usage() {
  std::fprintf(stderr, "usage: canary-search [--anywhere] memory MASKED MASK [STRIDE] | file MASKED MASK FILE... | range MASKED MASK FIRST LAST | device MASKED MASK\n");
  return 2;
}

}  // namespace
}  // namespace attack

int main(int count, char** words) {
  using namespace attack;
  const bool anywhere = count > 1 && std::string_view(words[1]) == "--anywhere";
  if (anywhere) {
    --count;
    ++words;
  }
  if (count < 4) return usage();
  const std::string_view verb = words[1];
  if (anywhere && verb != "memory" && verb != "file") return usage();
  Sought sought{{}, 0, std::strtoull(words[3], nullptr, 0), anywhere};
  for (char* text = words[2];;) {
    if (sought.count == kMostSought) return usage();
    sought.masked[sought.count] = std::strtoull(text, &text, 0);
    if (sought.masked[sought.count++] == sought.mask) return usage();  // zero, which is everywhere
    if (*text == '\0') break;
    if (*text++ != ',') return usage();
  }
  catch_refusals();
  const auto number = [&](int index) { return std::strtoull(words[index], nullptr, 0); };
  if (verb == "memory") return say("memory", sought, search_memory(sought, count > 4 ? number(4) : kPage));
  if (verb == "range" && count == 6) return say("range", sought, search_registers(sought, {number(4), number(5)}));
  Found found;
  if (verb == "file" && count > 4) {
    for (int index = 4; index < count; ++index) search_file(sought, words[index], found);
    return say("files", sought, found);
  }
  if (verb == "device") {
    Edu edu;
    const volatile std::uint64_t* words_there = edu.remembered();
    for (; found.words < kPage / sizeof(std::uint64_t); ++found.words) sought.count_in(words_there[found.words], found.hits);
    return say("device", sought, found);
  }
  return usage();
}
