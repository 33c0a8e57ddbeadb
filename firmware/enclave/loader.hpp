// From an EIF that lies in an enclave's own memory to a machine that is ready to run, in bounded steps.
//
// The image has left the parent's reach before the first byte is read. Each step handles at most one chunk:
//   1 kParse    header and section headers, once (eif.hpp)
//   2 kMeasure  every byte of the file, once, through EifMeasurer: CRC and PCR0/1/2; the command line, signature and
//               metadata are copied aside on the way
//   -- the caller checks the signature here, if there is one (attestation/eif_signature) --
//   3 kMove     ramdisks to the top of memory, then the kernel to its place; the monitor moves what it measured
//   4 kZero     everything else, so that the enclave starts with its image, its device tree and zeroes
//   5 kReady
// A refusal in 1 or 2 has written nothing. Offsets count from the start of the enclave's memory.
// The memory is reached through a Memory that the caller passes: read(offset, bytes), write(offset, bytes),
// move(to, from, size) and zero(offset, size), all bounded by chunk.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include "firmware/base/byte_reader.hpp"
#include "firmware/enclave/eif.hpp"
#include "firmware/enclave/eif_measure.hpp"

namespace enclave {

inline constexpr std::uint64_t kDeviceTreeSpace = 64 * 1024;  // at the very top of the enclave's memory
inline constexpr std::uint64_t kMaxSignatureKept = 32768;

template <typename T>
concept EnclaveMemory = requires(T& memory, std::uint64_t offset, base::MutableBytes out, base::Bytes in) {
  { memory.read(offset, out) } -> std::same_as<base::Status>;
  { memory.write(offset, in) } -> std::same_as<base::Status>;
  { memory.move(offset, offset, offset) } -> std::same_as<base::Status>;
  { memory.zero(offset, offset) } -> std::same_as<base::Status>;
};

enum class LoadPhase : std::uint8_t { kParse, kMeasure, kMeasured, kMove, kZero, kReady, kRefused };

// Where everything lies when the enclave starts.
struct Placement {
  std::uint64_t kernel{};
  std::uint64_t kernel_size{};
  std::uint64_t initrd{};
  std::uint64_t initrd_size{};
  std::uint64_t device_tree{};
  std::uint64_t entry{};
};

// Linux's arm64 boot protocol (Documentation/arch/arm64/booting.rst, "Call the kernel image"): the header's magic at
// 56, text_offset at 8, image_size (BSS included) at 16. Anything else is a flat image, entered at its first byte.
// Errors: kNoMemory when kernel, ramdisks and device tree don't fit beside the image they are made from.
[[nodiscard]] base::Result<Placement> place(const EifLayout& layout, std::uint64_t image_offset,
                                            std::uint64_t memory_size, base::Bytes kernel_head);
inline constexpr std::size_t kKernelHead = 64;

class Loader {
 public:
  // Once per start of an enclave.
  void begin(std::uint64_t image_offset, std::uint64_t memory_size);

  [[nodiscard]] LoadPhase phase() const { return phase_; }
  [[nodiscard]] EifError image_error() const { return image_error_; }
  [[nodiscard]] base::Error error() const { return error_; }
  [[nodiscard]] const EifMeasurement& measurement() const { return measurement_; }
  [[nodiscard]] base::Bytes command_line() const { return base::Bytes{command_line_}.first(command_line_size_); }
  [[nodiscard]] base::Bytes signature() const { return base::Bytes{signature_}.first(signature_size_); }
  [[nodiscard]] const Placement& placement() const { return placement_; }
  // After kMeasured and the caller's signature check.
  void approve() { phase_ = LoadPhase::kMove; }
  void refuse(base::Error error) { error_ = error, phase_ = LoadPhase::kRefused; }
  void refuse_signature(base::Error error);  // with attestation/eif_signature's reason

  // One bounded step. `chunk` is scratch of the caller's, at least 4096 bytes; it bounds what a step reads.
  template <EnclaveMemory Memory>
  void step(Memory& memory, base::MutableBytes chunk, std::uint64_t most);

 private:
  template <EnclaveMemory Memory>
  struct ImageSource {
    Memory& memory;
    std::uint64_t offset;
    base::Status read(std::uint64_t at, base::MutableBytes out) { return memory.read(offset + at, out); }
  };
  template <EnclaveMemory Memory>
  void parse(Memory& memory);
  template <EnclaveMemory Memory>
  void measure(Memory& memory, base::MutableBytes chunk, std::uint64_t most);
  template <EnclaveMemory Memory>
  void move(Memory& memory, std::uint64_t most);
  template <EnclaveMemory Memory>
  void zero(Memory& memory, std::uint64_t most);

  void refuse_image(EifError error) { image_error_ = error, refuse(base::Error::kBadImage); }
  void keep_aside(std::uint64_t position, base::Bytes piece);
  // The next range to move (kMove) or to zero (kZero), at most `most` bytes; size 0 when there is none left.
  struct Range {
    std::uint64_t to;
    std::uint64_t from;
    std::uint64_t size;
  };
  [[nodiscard]] Range next_move(std::uint64_t most) const;
  [[nodiscard]] Range next_gap(std::uint64_t most) const;

  LoadPhase phase_{LoadPhase::kParse};
  EifError image_error_{};
  base::Error error_{};
  std::uint64_t image_offset_{};
  std::uint64_t memory_size_{};
  std::uint64_t done_{};  // bytes of the present phase
  EifLayout layout_{};
  std::optional<EifMeasurer> measurer_{};
  EifMeasurement measurement_{};
  Placement placement_{};
  std::size_t command_line_size_{};
  std::size_t signature_size_{};
  std::array<std::uint8_t, kMaxEifCommandLine> command_line_{};
  std::array<std::uint8_t, kMaxSignatureKept> signature_{};
};

template <EnclaveMemory Memory>
void Loader::step(Memory& memory, base::MutableBytes chunk, std::uint64_t most) {
  switch (phase_) {
    case LoadPhase::kParse: return parse(memory);
    case LoadPhase::kMeasure: return measure(memory, chunk, most);
    case LoadPhase::kMove: return move(memory, most);
    case LoadPhase::kZero: return zero(memory, most);
    case LoadPhase::kMeasured:
    case LoadPhase::kReady:
    case LoadPhase::kRefused: return;
  }
}

template <EnclaveMemory Memory>
void Loader::parse(Memory& memory) {
  ImageSource<Memory> source{memory, image_offset_};
  const ParsedEif parsed = parse_eif(source, {memory_size_ - image_offset_, EifSizeRule::kAtMost});
  if (!parsed.ok()) return refuse_image(parsed.error);
  layout_ = parsed.layout;
  std::array<std::uint8_t, kKernelHead> head{};
  const std::uint64_t head_size = layout_.kernel.size < kKernelHead ? layout_.kernel.size : kKernelHead;
  if (!memory.read(image_offset_ + layout_.kernel.offset, base::MutableBytes{head}.first(head_size)).ok()) {
    return refuse_image(EifError::kUnreadable);
  }
  const auto placed = place(layout_, image_offset_, memory_size_, head);
  if (!placed) return refuse(placed.error());
  placement_ = *placed;
  measurer_.emplace(layout_);
  phase_ = LoadPhase::kMeasure;
}

template <EnclaveMemory Memory>
void Loader::measure(Memory& memory, base::MutableBytes chunk, std::uint64_t most) {
  std::uint64_t left = most;
  while (left != 0 && measurer_->position() < layout_.total_size) {
    const std::uint64_t rest = layout_.total_size - measurer_->position();
    std::uint64_t size = chunk.size() < rest ? chunk.size() : rest;
    if (size > left) size = left;
    const base::MutableBytes piece = chunk.first(size);
    const std::uint64_t position = measurer_->position();
    if (!memory.read(image_offset_ + position, piece).ok()) return refuse_image(EifError::kUnreadable);
    keep_aside(position, piece);
    if (const EifError error = measurer_->update(piece); error != EifError::kNone) return refuse_image(error);
    left -= size;
  }
  if (measurer_->position() < layout_.total_size) return;
  const MeasuredEif measured = measurer_->finish();
  if (!measured.ok()) return refuse_image(measured.error);
  measurement_ = measured.measurement;
  phase_ = LoadPhase::kMeasured;
}

template <EnclaveMemory Memory>
void Loader::move(Memory& memory, std::uint64_t most) {
  const Range range = next_move(most);
  if (range.size == 0) {
    done_ = 0;
    phase_ = LoadPhase::kZero;
    return;
  }
  if (!memory.move(range.to, range.from, range.size).ok()) return refuse_image(EifError::kUnreadable);
  done_ += range.size;
}

template <EnclaveMemory Memory>
void Loader::zero(Memory& memory, std::uint64_t most) {
  const Range range = next_gap(most);
  if (range.size == 0) {
    phase_ = LoadPhase::kReady;
    return;
  }
  if (!memory.zero(range.to, range.size).ok()) return refuse_image(EifError::kUnreadable);
  done_ = range.to + range.size;
}

}  // namespace enclave
