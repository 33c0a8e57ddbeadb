// The loader over a vector: where everything ends up, what a refusal leaves, and that the size of a step does not
// matter.
#include "firmware/enclave/loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "firmware/base/address.hpp"
#include "tests/unit/firmware/enclave/eif_builder.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using enclave::EifError;
using enclave::Loader;
using enclave::LoadPhase;
using test_data::Image;
using test_data::image_of;
using test_data::Section;
using test_data::section;
using Bytes = std::vector<std::uint8_t>;

// Counts what it is asked for, so that a step's bound can be seen.
struct VectorMemory {
  Bytes bytes;
  std::uint64_t touched{};
  bool writes_fail{};
  std::vector<std::uint64_t> zeroed_from{};

  [[nodiscard]] bool fits(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  }
  base::Status read(std::uint64_t offset, base::MutableBytes out) {
    if (!fits(offset, out.size())) return Error::kOutOfRange;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    touched += out.size();
    return {};
  }
  base::Status write(std::uint64_t offset, base::Bytes in) {
    if (!fits(offset, in.size())) return Error::kOutOfRange;
    std::copy(in.begin(), in.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  base::Status move(std::uint64_t to, std::uint64_t from, std::uint64_t size) {
    if (writes_fail || !fits(to, size) || !fits(from, size)) return Error::kOutOfRange;
    EXPECT_TRUE(to <= from || to >= from + size) << "the contract of monitor::SlotMemory::move";
    for (std::uint64_t i = 0; i < size; ++i) bytes[to + i] = bytes[from + i];
    touched += size;
    return {};
  }
  base::Status zero(std::uint64_t offset, std::uint64_t size) {
    if (!fits(offset, size)) return Error::kOutOfRange;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, std::uint8_t{0});
    touched += size;
    zeroed_from.push_back(offset);
    return {};
  }
};

constexpr std::uint64_t kMemory = 256 * 1024;
constexpr std::uint64_t kOffset = 0x8000;

// Memory full of what the parent left there, the image inside.
VectorMemory memory_with(const Image& image, std::uint64_t size = kMemory, std::uint64_t offset = kOffset) {
  VectorMemory memory{Bytes(size)};
  for (std::uint64_t i = 0; i < size; ++i) memory.bytes[i] = static_cast<std::uint8_t>(test_data::number(i) | 1);
  std::copy(image.begin(), image.end(), memory.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  return memory;
}

struct Loaded {
  std::unique_ptr<Loader> loader = std::make_unique<Loader>();  // too large for a stack
  std::uint64_t steps{};
  std::uint64_t most_touched{};
};

Loaded load(VectorMemory& memory, std::uint64_t most = 4096, std::uint64_t offset = kOffset,
            std::size_t chunk_size = 4096) {
  Loaded loaded;
  Loader& loader = *loaded.loader;
  loader.begin(offset, memory.bytes.size());
  Bytes chunk(chunk_size);
  while (loader.phase() != LoadPhase::kReady && loader.phase() != LoadPhase::kRefused) {
    if (loader.phase() == LoadPhase::kMeasured) loader.approve();
    memory.touched = 0;
    const bool parsing = loader.phase() == LoadPhase::kParse;
    loader.step(memory, chunk, most);
    if (!parsing) loaded.most_touched = std::max(loaded.most_touched, memory.touched);
    if (++loaded.steps > 10'000'000) {
      ADD_FAILURE() << "the loader does not end";
      break;
    }
  }
  return loaded;
}

Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(test_data::number(seed * 1'000'003 + i));
  return bytes;
}

struct Parts {
  Bytes kernel;
  std::vector<Bytes> ramdisks;
  std::string command_line = "console=none";
};
Image image_of_parts(const Parts& parts) {
  std::vector<Section> sections{{test_data::kKernel, parts.kernel},
                                section(test_data::kCommandLine, parts.command_line),
                                section(test_data::kMetadata, "{}")};
  for (const Bytes& ramdisk : parts.ramdisks) sections.push_back({test_data::kRamdisk, ramdisk});
  return image_of(sections);
}
Parts usual_parts() { return {noise(5000, 1), {noise(700, 2), noise(9000, 3), noise(1, 4)}}; }

// Linux's header: text_offset at 8, image_size at 16, "ARM\x64" at 56, little-endian.
Bytes linux_kernel(std::size_t size, std::uint64_t text_offset, std::uint64_t image_size) {
  Bytes kernel = noise(size, 9);
  for (std::size_t i = 0; i < 8; ++i) {
    kernel[8 + i] = static_cast<std::uint8_t>(text_offset >> (8 * i));
    kernel[16 + i] = static_cast<std::uint8_t>(image_size >> (8 * i));
  }
  std::copy_n("ARM\x64", 4, kernel.begin() + 56);
  return kernel;
}

// What memory has to look like in the end: kernel, ramdisks as one, zeroes.
Bytes expected_memory(const Parts& parts, const enclave::Placement& placement, std::uint64_t size) {
  Bytes expected(size, 0);
  std::copy(parts.kernel.begin(), parts.kernel.end(), expected.begin() + static_cast<std::ptrdiff_t>(placement.kernel));
  auto at = expected.begin() + static_cast<std::ptrdiff_t>(placement.initrd);
  for (const Bytes& ramdisk : parts.ramdisks) at = std::copy(ramdisk.begin(), ramdisk.end(), at);
  return expected;
}

void expect_placed(const Parts& parts, const VectorMemory& memory, const Loader& loader, std::uint64_t text_offset) {
  const enclave::Placement& placement = loader.placement();
  EXPECT_EQ(placement.kernel, text_offset);
  EXPECT_EQ(placement.entry, text_offset);
  EXPECT_EQ(placement.kernel_size, parts.kernel.size());
  EXPECT_TRUE(base::is_aligned(placement.initrd, base::kFrameSize));
  EXPECT_TRUE(base::is_aligned(placement.device_tree, base::kFrameSize));
  EXPECT_LE(placement.initrd + placement.initrd_size, placement.device_tree);
  EXPECT_EQ(placement.device_tree + enclave::kDeviceTreeSpace, memory.bytes.size());
  EXPECT_EQ(memory.bytes, expected_memory(parts, placement, memory.bytes.size()));
}

TEST(Loader, PlacesKernelAndRamdisksAndZeroesTheRest) {
  const Parts parts = usual_parts();
  const Image image = image_of_parts(parts);
  VectorMemory memory = memory_with(image);
  const Loaded loaded = load(memory);
  ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady);
  expect_placed(parts, memory, *loaded.loader, 0);
  EXPECT_EQ(loaded.loader->command_line().size(), parts.command_line.size());
  EXPECT_TRUE(std::equal(parts.command_line.begin(), parts.command_line.end(), loaded.loader->command_line().begin()));
  EXPECT_TRUE(loaded.loader->signature().empty());
}

TEST(Loader, MeasuresTheWholeImage) {
  const Image image = image_of_parts(usual_parts());
  VectorMemory memory = memory_with(image);
  const Loaded loaded = load(memory);
  enclave::EifBytes source{image};
  const auto parsed = enclave::parse_eif(source, {image.size(), enclave::EifSizeRule::kExactly});
  ASSERT_TRUE(parsed.ok());
  enclave::EifMeasurer measurer{parsed.layout};
  ASSERT_EQ(measurer.update(image), EifError::kNone);
  const auto whole = measurer.finish();
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(loaded.loader->measurement().pcr0, whole.measurement.pcr0);
  EXPECT_EQ(loaded.loader->measurement().pcr1, whole.measurement.pcr1);
  EXPECT_EQ(loaded.loader->measurement().pcr2, whole.measurement.pcr2);
}

TEST(Loader, TheSizeOfAStepDoesNotMatter) {
  const Parts parts{noise(300, 1), {noise(77, 2), noise(301, 3)}};
  const Image image = image_of_parts(parts);
  constexpr std::uint64_t kSmall = enclave::kDeviceTreeSpace + 0x3000;
  constexpr std::uint64_t kAt = 0x400;
  VectorMemory reference = memory_with(image, kSmall, kAt);
  const Loaded expected = load(reference, kSmall, kAt);
  ASSERT_EQ(expected.loader->phase(), LoadPhase::kReady);
  expect_placed(parts, reference, *expected.loader, 0);
  for (const std::uint64_t most : {1U, 2U, 3U, 7U, 64U, 511U, 512U, 513U, 1000U, 4096U, 5000U}) {
    VectorMemory memory = memory_with(image, kSmall, kAt);
    const Loaded loaded = load(memory, most, kAt);
    ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady) << most;
    EXPECT_EQ(memory.bytes, reference.bytes) << most;
    EXPECT_EQ(loaded.loader->measurement().pcr0, expected.loader->measurement().pcr0) << most;
    EXPECT_TRUE(std::ranges::equal(loaded.loader->command_line(), expected.loader->command_line())) << most;
    EXPECT_LE(loaded.most_touched, most) << "a step does no more than it was allowed";
  }
}

TEST(Loader, ZeroesWholeFramesAfterTheFirstStepOfAGap) {
  VectorMemory memory = memory_with(image_of_parts(usual_parts()));
  const Loaded loaded = load(memory, 2 * base::kFrameSize);
  ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady);
  const enclave::Placement& placement = loaded.loader->placement();
  EXPECT_GT(memory.zeroed_from.size(), 3U);
  for (const std::uint64_t from : memory.zeroed_from) {
    const bool first =
        from == placement.kernel + placement.kernel_size || from == placement.initrd + placement.initrd_size;
    EXPECT_TRUE(first || base::is_aligned(from, base::kFrameSize)) << from;
  }
}

TEST(Loader, FollowsTheHeaderOfALinuxKernel) {
  const Parts parts{linux_kernel(6000, 0x2000, 0x5000), {noise(100, 2)}};
  VectorMemory memory = memory_with(image_of_parts(parts));
  const Loaded loaded = load(memory);
  ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady);
  expect_placed(parts, memory, *loaded.loader, 0x2000);
}

TEST(Loader, KeepsSectionsThatAreNotLoaded) {
  std::vector<Section> sections = test_data::usual_sections();
  sections.push_back({test_data::kSignature, noise(3000, 5)});
  const Image image = image_of(sections);
  for (const std::uint64_t most : {13U, 4096U}) {
    VectorMemory memory = memory_with(image);
    const Loaded loaded = load(memory, most);
    ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady);
    EXPECT_TRUE(std::ranges::equal(loaded.loader->signature(), noise(3000, 5)));
  }
}

TEST(Loader, AnotherEnclaveAfterwardsFindsNothingOfTheFirst) {
  const Image signed_image = [] {
    std::vector<Section> sections = test_data::usual_sections();
    sections.push_back({test_data::kSignature, noise(300, 5)});
    return image_of(sections);
  }();
  VectorMemory first = memory_with(signed_image);
  const Loaded loaded = load(first);
  VectorMemory second = memory_with(image_of_parts(usual_parts()));
  Loader& loader = *loaded.loader;
  loader.begin(kOffset, second.bytes.size());
  EXPECT_TRUE(loader.signature().empty());
  EXPECT_TRUE(loader.command_line().empty());
  Bytes chunk(4096);
  while (loader.phase() != LoadPhase::kReady && loader.phase() != LoadPhase::kRefused) {
    if (loader.phase() == LoadPhase::kMeasured) loader.approve();
    loader.step(second, chunk, 4096);
  }
  ASSERT_EQ(loader.phase(), LoadPhase::kReady);
  EXPECT_TRUE(loader.signature().empty());
  expect_placed(usual_parts(), second, loader, 0);
}

// ---- Refusals: nothing was written --------------------------------------------------------------------------
void expect_refused(const Image& image, Error error, EifError image_error, std::uint64_t size = kMemory,
                    std::uint64_t offset = kOffset) {
  VectorMemory memory = memory_with(image, size, offset);
  const Bytes before = memory.bytes;
  const Loaded loaded = load(memory, 4096, offset);
  EXPECT_EQ(loaded.loader->phase(), LoadPhase::kRefused);
  EXPECT_EQ(loaded.loader->error(), error);
  EXPECT_EQ(loaded.loader->image_error(), image_error);
  EXPECT_EQ(memory.bytes, before);
}

TEST(Loader, EveryDamagedByteOfTheImageIsRefusedUntouched) {
  const Image sound = image_of(test_data::usual_sections());
  for (std::size_t at = 0; at < sound.size(); at += at < 0x20 ? 1 : 7) {
    const bool unused = (at >= 0x08 && at < 0x1a);  // default memory and CPU count: not of interest to a monitor
    Image image = sound;
    image[at] ^= 0x40;
    VectorMemory memory = memory_with(image);
    const Bytes before = memory.bytes;
    const Loaded loaded = load(memory);
    ASSERT_EQ(loaded.loader->phase(), LoadPhase::kRefused) << "byte " << at << (unused ? " (unused field)" : "");
    EXPECT_EQ(loaded.loader->error(), Error::kBadImage);
    EXPECT_EQ(memory.bytes, before) << "byte " << at;
  }
}

TEST(Loader, SaysWhatIsWrong) {
  Image image = image_of(test_data::usual_sections());
  image.back() ^= 1;
  expect_refused(image, Error::kBadImage, EifError::kBadCrc);
  expect_refused(Image(600, 0), Error::kBadImage, EifError::kBadMagic);
  std::vector<Section> sections = test_data::usual_sections();
  sections[1].data.push_back(0);
  expect_refused(image_of(sections), Error::kBadImage, EifError::kCommandLineContent);
}

TEST(Loader, AnImageThatReachesPastTheMemoryIsRefused) {
  const Image image = image_of_parts(usual_parts());
  const std::uint64_t offset = kMemory - base::align_up(image.size(), base::kFrameSize);
  expect_refused(image, Error::kNoMemory, EifError::kNone, kMemory, offset);  // it lies where the ramdisks go
  // Cut off by the end of memory.
  VectorMemory memory{Bytes(kMemory, 0)};
  std::copy_n(image.begin(), 0x1000, memory.bytes.end() - 0x1000);
  const Loaded loaded = load(memory, 4096, kMemory - 0x1000);
  EXPECT_EQ(loaded.loader->image_error(), EifError::kTooLarge);
}

TEST(Loader, AnOffsetInTheLastBytesIsRefused) {
  VectorMemory memory{Bytes(kMemory, 0)};
  for (const std::uint64_t left : {1U, 547U}) {
    const Loaded loaded = load(memory, 4096, kMemory - left);
    EXPECT_EQ(loaded.loader->error(), Error::kBadImage);
    EXPECT_EQ(loaded.loader->image_error(), EifError::kTruncatedHeader);
  }
}

TEST(Loader, AKernelThatDoesNotFitIsRefused) {
  const auto refused = [](std::uint64_t text_offset, std::uint64_t image_size) {
    expect_refused(image_of_parts({linux_kernel(6000, text_offset, image_size), {noise(100, 2)}}), Error::kNoMemory,
                   EifError::kNone);
  };
  refused(0, kMemory);                 // its zeroed data would reach the ramdisk
  refused(0x4000, kMemory - 0x14000);  // likewise, with its offset
  refused(kOffset + 0x1000, 0x2000);   // it would have to move up
  refused(0, ~std::uint64_t{0});       // sums that would wrap
  refused(~std::uint64_t{0} - 100, 0x2000);
  refused(kOffset, ~std::uint64_t{0} - kOffset);
}

TEST(Loader, TheLargestThatFitsFits) {
  // A ramdisk that leaves exactly no frame between the image's end and its place.
  Parts parts{noise(100, 1), {noise(1, 2)}};
  const std::uint64_t room = kMemory - enclave::kDeviceTreeSpace - kOffset;
  const std::uint64_t overhead = image_of_parts(parts).size() - 1;
  bool fitted = false, refused = false;
  for (std::uint64_t size = (room - overhead) / 2 - 0x1800; size < (room - overhead) / 2 + 0x1800; size += 0x400) {
    parts.ramdisks[0] = noise(size, 2);
    VectorMemory memory = memory_with(image_of_parts(parts));
    const Bytes before = memory.bytes;
    const Loaded loaded = load(memory);
    if (loaded.loader->phase() == LoadPhase::kReady) {
      EXPECT_FALSE(refused) << "a larger one fits than one that did not";
      fitted = true;
      expect_placed(parts, memory, *loaded.loader, 0);
    } else {
      refused = true;
      EXPECT_EQ(loaded.loader->error(), Error::kNoMemory);
      EXPECT_EQ(memory.bytes, before);
    }
  }
  EXPECT_TRUE(fitted && refused);
}

TEST(Loader, ARefusalOfTheSignatureWritesNothing) {
  VectorMemory memory = memory_with(image_of_parts(usual_parts()));
  const Bytes before = memory.bytes;
  const auto loader = std::make_unique<Loader>();
  loader->begin(kOffset, kMemory);
  Bytes chunk(4096);
  while (loader->phase() != LoadPhase::kMeasured) loader->step(memory, chunk, 4096);
  loader->step(memory, chunk, 4096);
  EXPECT_EQ(loader->phase(), LoadPhase::kMeasured) << "waits for the check";
  loader->refuse(Error::kBadSignature);
  loader->step(memory, chunk, 4096);
  EXPECT_EQ(loader->phase(), LoadPhase::kRefused);
  EXPECT_EQ(memory.bytes, before);
}

TEST(Loader, MemoryThatFailsLaterIsARefusal) {
  VectorMemory memory = memory_with(image_of_parts(usual_parts()));
  memory.writes_fail = true;
  const Loaded loaded = load(memory);
  EXPECT_EQ(loaded.loader->phase(), LoadPhase::kRefused);
  EXPECT_EQ(loaded.loader->image_error(), EifError::kUnreadable);
}

// ---- Images made by AWS's builder ---------------------------------------------------------------------------
TEST(Loader, LoadsImagesOfTheOriginalBuilder) {
  const std::string folder = std::string{COFFERDAM_FIXTURES} + "/eif/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no fixtures in " << folder;
  const Bytes kernel = test_data::read_file(folder + "kernel.bin");
  const std::vector<Bytes> ramdisks{test_data::read_file(folder + "ramdisk0.bin"),
                                    test_data::read_file(folder + "ramdisk1.bin"),
                                    test_data::read_file(folder + "ramdisk2.bin")};
  const std::tuple<const char*, std::string, std::size_t> images[] = {{"a-unsigned-arm64-2rd.eif", "a.json", 2},
                                                                      {"b-signed-p384-arm64-2rd.eif", "b.json", 2},
                                                                      {"d-unsigned-arm64-3rd.eif", "d.json", 3}};
  for (const auto& [name, registers, disks] : images) {
    SCOPED_TRACE(name);
    const Image image = test_data::read_file(folder + name);
    ASSERT_FALSE(image.empty());
    VectorMemory memory = memory_with(image);
    const Loaded loaded = load(memory);
    ASSERT_EQ(loaded.loader->phase(), LoadPhase::kReady) << enclave::describe(loaded.loader->image_error());
    expect_placed({kernel, {ramdisks.begin(), ramdisks.begin() + static_cast<std::ptrdiff_t>(disks)}}, memory,
                  *loaded.loader, 0);
    const Bytes json = test_data::read_file(folder + registers);
    const std::string text(json.begin(), json.end());
    EXPECT_NE(text.find(test_data::to_hex(loaded.loader->measurement().pcr0)), std::string::npos);
    EXPECT_NE(text.find(test_data::to_hex(loaded.loader->measurement().pcr1)), std::string::npos);
    EXPECT_NE(text.find(test_data::to_hex(loaded.loader->measurement().pcr2)), std::string::npos);
    EXPECT_EQ(loaded.loader->signature().empty(), name[0] != 'b');
  }
  expect_refused(test_data::read_file(folder + "c-unsigned-x86-1rd.eif"), Error::kBadImage,
                 EifError::kWrongArchitecture);
}

}  // namespace
