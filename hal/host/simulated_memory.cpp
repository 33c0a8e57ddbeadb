#include "hal/host/simulated_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace host {
namespace {

// The largest aligned step from `address` that `left` bytes allow: 8 or 1.
std::size_t step(std::uint64_t address, std::size_t left) { return address % 8 == 0 && left >= 8 ? 8 : 1; }

std::uint64_t* as_word(std::uint8_t* bytes) { return std::bit_cast<std::uint64_t*>(bytes); }

}  // namespace

SimulatedMemory::SimulatedMemory(std::vector<Bank> banks) : banks_(std::move(banks)) {
  std::uint64_t low = ~std::uint64_t{0};
  std::uint64_t high = 0;
  for (const Bank& bank : banks_) {
    low = std::min(low, bank.base);
    high = std::max(high, bank.base + bank.size);
  }
  if (low >= high) throw std::invalid_argument("a machine without memory");
  base_ = low;
  size_ = high - low;
  void* mapping = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  bytes_ = static_cast<std::uint8_t*>(mapping);
}

SimulatedMemory::~SimulatedMemory() { munmap(bytes_, size_); }

void SimulatedMemory::reset() {
  if (madvise(bytes_, size_, MADV_DONTNEED) != 0) throw std::runtime_error("can't clear the simulated memory");
}

bool SimulatedMemory::contains(base::PhysAddr address, std::uint64_t size) const {
  return std::any_of(banks_.begin(), banks_.end(), [&](const Bank& bank) {
    return address.value >= bank.base && size <= bank.size && address.value - bank.base <= bank.size - size;
  });
}

std::uint64_t* SimulatedMemory::word(base::PhysAddr address) const { return as_word(at(address)); }

std::uint64_t SimulatedMemory::load(base::PhysAddr address) const {
  return __atomic_load_n(word(address), __ATOMIC_ACQUIRE);
}

void SimulatedMemory::store(base::PhysAddr address, std::uint64_t value) {
  __atomic_store_n(word(address), value, __ATOMIC_RELEASE);
}

void SimulatedMemory::read(base::PhysAddr from, base::MutableBytes to) const {
  for (std::size_t i = 0; i < to.size();) {
    const std::size_t count = step(from.value + i, to.size() - i);
    if (count == 8) {
      const std::uint64_t value = __atomic_load_n(as_word(at(from) + i), __ATOMIC_RELAXED);
      std::memcpy(to.data() + i, &value, 8);
    } else {
      to[i] = __atomic_load_n(at(from) + i, __ATOMIC_RELAXED);
    }
    i += count;
  }
}

void SimulatedMemory::write(base::PhysAddr to, base::Bytes from) {
  for (std::size_t i = 0; i < from.size();) {
    const std::size_t count = step(to.value + i, from.size() - i);
    if (count == 8) {
      std::uint64_t value = 0;
      std::memcpy(&value, from.data() + i, 8);
      __atomic_store_n(as_word(at(to) + i), value, __ATOMIC_RELAXED);
    } else {
      __atomic_store_n(at(to) + i, from[i], __ATOMIC_RELAXED);
    }
    i += count;
  }
}

void SimulatedMemory::zero(base::FrameRange frames) {
  std::memset(at(frames.address()), 0, frames.bytes());  // plain on purpose: nobody else may reach these frames
}

bool SimulatedMemory::is_zero(base::FrameRange frames) const {
  for (std::uint64_t offset = 0; offset < frames.bytes(); offset += 8) {
    if (__atomic_load_n(as_word(at(frames.address()) + offset), __ATOMIC_RELAXED) != 0) return false;
  }
  return true;
}

}  // namespace host
