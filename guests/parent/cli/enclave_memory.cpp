#include "guests/parent/cli/enclave_memory.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

std::vector<HugePages> eligible(std::vector<HugePages> kinds) {
  std::erase_if(kinds, [](const HugePages& kind) { return kind.page_size < kSmallestEnclavePage; });
  return kinds;
}

}  // namespace

EnclaveMemory::~EnclaveMemory() { give_back(); }

std::uint64_t EnclaveMemory::size() const {
  return std::accumulate(regions_.begin(), regions_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Region& region) { return sum + region.size; });
}

void EnclaveMemory::give_back() {
  for (const Region& region : regions_) pages_.unmap(region.address, region.size);
  regions_.clear();
}

// As many as can be had, up to `count`. One mapping for many pages: the driver joins those that lie side by side, and
// asks the monitor once for them. Others may take pages meanwhile, so a refusal is answered by asking for half.
void EnclaveMemory::take_of(std::uint64_t page_size, std::uint64_t count) {
  std::uint64_t piece = count;
  while (count > 0 && piece > 0) {
    piece = std::min(piece, count);
    void* const address = pages_.map(page_size, piece * page_size);
    if (address == nullptr) {
      piece /= 2;
      continue;
    }
    regions_.push_back({address, piece * page_size, page_size});
    count -= piece;
  }
}

void EnclaveMemory::take(std::uint64_t bytes) {
  const std::vector<HugePages> kinds = eligible(pages_.kinds());
  const auto missing = [&] { return bytes - std::min(bytes, size()); };
  for (auto kind = kinds.rbegin(); kind != kinds.rend(); ++kind) {
    take_of(kind->page_size, std::min(kind->free, missing() / kind->page_size));
  }
  // What is left is less than a page, or the smaller pages ran out: the smallest page that covers it.
  for (const HugePages& kind : kinds) {
    if (missing() > 0) take_of(kind.page_size, (missing() + kind.page_size - 1) / kind.page_size);
  }
  if (missing() > 0) {
    const std::uint64_t came = size();
    give_back();
    Failure failure(ErrorCode::kInsufficientMemoryAvailable,
                    std::to_string(bytes / kMiB) + " MiB are asked for, and the hugepages that are free make " +
                        std::to_string(came / kMiB) + " MiB.",
                    "`cofferdam-cli allocate --memory " + std::to_string(bytes / kMiB) +
                        "` sets them up and explains a refusal; or ask for less with --memory.");
    for (std::string& line : pool_lines(kinds)) failure.add_detail(std::move(line));
    throw failure;
  }
  // A large page that covered the rest may have made smaller ones superfluous.
  std::stable_sort(regions_.begin(), regions_.end(),
                   [](const Region& a, const Region& b) { return a.page_size > b.page_size; });
  while (!regions_.empty()) {
    Region& last = regions_.back();
    const std::uint64_t superfluous = std::min(last.size, (size() - bytes) / last.page_size * last.page_size);
    if (superfluous == 0) return;
    pages_.unmap(static_cast<std::uint8_t*>(last.address) + (last.size - superfluous), superfluous);
    last.size -= superfluous;
    if (last.size > 0) return;
    regions_.pop_back();
  }
}

void EnclaveMemory::copy_in(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  if (offset > size() || bytes.size() > size() - offset) {
    throw Failure(ErrorCode::kInsufficientMemoryRequested,
                  "The image has " + std::to_string((bytes.size() + kMiB - 1) / kMiB) + " MiB and goes to " +
                      std::to_string(offset / kMiB) + " MiB of the enclave's memory, which has " +
                      std::to_string(size() / kMiB) + " MiB.",
                  "Give more --memory.");
  }
  std::uint64_t start = 0;  // of the region, as the enclave sees it
  for (const Region& region : regions_) {
    if (bytes.empty()) return;
    if (offset < start + region.size) {
      const std::uint64_t within = offset - start;
      const std::size_t count = std::min<std::uint64_t>(bytes.size(), region.size - within);
      std::memcpy(static_cast<std::uint8_t*>(region.address) + within, bytes.data(), count);
      bytes = bytes.subspan(count);
      offset += count;
    }
    start += region.size;
  }
}

std::vector<std::string> pool_lines(const std::vector<HugePages>& kinds) {
  std::vector<std::string> lines;
  for (const HugePages& kind : eligible(kinds)) {
    lines.push_back("hugepages of " + std::to_string(kind.page_size / kMiB) + " MiB: " + std::to_string(kind.free) +
                    " free of " + std::to_string(kind.total));
  }
  if (lines.empty()) lines.emplace_back("this kernel has no hugepages of 2 MiB or more");
  return lines;
}

}  // namespace enclave_cli
