// What the digest of a board covers: everything that it says, and nothing of how it is written.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "tests/unit/tools/boardgen/board_files.hpp"
#include "tools/boardgen/canonical.hpp"

namespace {

using board_files::accepted;
using board_files::changed;

std::array<std::uint8_t, 48> digest(const std::string& text) {
  const auto description = accepted(text);
  EXPECT_NE(description, nullptr) << board_files::refusal(text);
  return description ? description->tables.digest : std::array<std::uint8_t, 48>{};
}

TEST(Digest, CommentsAndWhiteSpaceDontCount) {
  const std::string text = board_files::xml_of("qemu-virt");
  const auto expected = digest(text);
  EXPECT_EQ(digest(changed(text, "<memory>", "<!-- another remark -->\n\n\t <memory >")), expected);
  EXPECT_EQ(digest(std::regex_replace(text, std::regex("<!--[^>]*-->"), "")), expected);
  EXPECT_EQ(digest(std::regex_replace(text, std::regex("\n"), "\r\n")), expected);
}

TEST(Digest, TheWayOfWritingDoesntCount) {
  const std::string text = board_files::xml_of("qemu-virt");
  const auto expected = digest(text);
  EXPECT_EQ(digest(changed(text, "size=\"8128 MiB\"", "size='0x1fc000000'")), expected);
  EXPECT_EQ(digest(changed(text, "0x04000000", "67108864")), expected);
  EXPECT_EQ(digest(changed(text, "0x4010000000", "0X4010000000")), expected);
  EXPECT_EQ(digest(changed(text, "mpidr=\"0x1\" owner=\"assignable\"", "owner=\"assignable\" mpidr=\"1\"")), expected);
}

TEST(Digest, TheOrderOfSectionsDoesntCount) {
  const std::string text = board_files::xml_of("host");
  const std::string clock = "  <clock type=\"pl031\" window=\"rtc\"/>\n";
  const std::string moved = changed(changed(text, clock, ""), "</board>", clock + "</board>");
  EXPECT_EQ(digest(moved), digest(text));
}

TEST(Digest, TheOrderOfCoresCounts) {
  const std::string text = board_files::xml_of("host");
  const std::string first = "<core mpidr=\"0x1\" owner=\"assignable\"/>",
                    second = "<core mpidr=\"0x2\" owner=\"assignable\"/>";
  const std::string swapped = changed(changed(changed(text, first, "<swap/>"), second, first), "<swap/>", second);
  EXPECT_NE(digest(swapped), digest(text));
}

// Every value of every attribute of every shipped board, replaced by values that no board has there: refused, or
// another digest. The last lines make sure that the test looked at every attribute that can have another value.
TEST(Digest, EveryAttributeCounts) {
  const std::regex attribute("([a-z-]+)=\"([^\"]*)\"");
  std::set<std::string> counted, fixed;
  for (const std::string& name : board_files::shipped()) {
    const std::string text = board_files::xml_of(name);
    const auto expected = digest(text);
    for (std::sregex_iterator match(text.begin(), text.end(), attribute), end; match != end; ++match) {
      const std::string key = (*match)[1], value = (*match)[2];
      if (key == "encoding" || key == "version") continue;
      fixed.insert(key);
      for (const std::string other : {"another",
                                      "another,board",
                                      "yes",
                                      "no",
                                      "parent",
                                      "assignable",
                                      "monitor",
                                      "9",
                                      "12288",
                                      "0x40a00000",
                                      "48 MiB",
                                      "0x90000000",
                                      "51",
                                      "0x44400000",
                                      "0x48000",
                                      "0x40000",
                                      "10 MiB",
                                      "0x6f000000",
                                      "0x0d800000",
                                      "gpio",
                                      "virtio-mmio",
                                      "pcie-mmio",
                                      "pcie-intd pcie-intc pcie-intb pcie-inta",
                                      "flash1",
                                      "512 KiB",
                                      "0xc0000",
                                      "132 MiB",
                                      "pcie-io",
                                      "192"}) {
        if (other == value || (value == "256 KiB" && other == "0x40000")) continue;
        std::string altered = text;
        altered.replace(static_cast<std::size_t>(match->position(2)), value.size(), other);
        const auto description = accepted(altered);
        if (!description) continue;
        counted.insert(key);
        EXPECT_NE(description->tables.digest, expected) << name << ": " << key << "=" << value << " -> " << other;
      }
    }
  }
  for (const std::string& key : counted) fixed.erase(key);
  // The rest can't be changed alone: one value only (format, type, dma), or another part has to agree.
  EXPECT_EQ(fixed, (std::set<std::string>{"configuration", "dma", "ecam", "format", "parent-view", "secure-rom", "smmu", "type"}));
}

// What can only be changed together with something else, or be absent, counts too.
TEST(Digest, AbsentAttributesCount) {
  const std::string text = board_files::xml_of("qemu-virt");
  EXPECT_NE(digest(changed(text, " dma=\"bypass\"", "")), digest(text));
  EXPECT_NE(digest(changed(text, " io=\"pcie-io\"", "")), digest(text));
  EXPECT_NE(digest(changed(text, "<uart type=\"pl011\" window=\"uart0\" interrupt=\"uart0\" clock=\"24000000\"/>", "")),
            digest(text));
  const std::string console = "<window name=\"log\" base=\"0x0900f000\" size=\"4 KiB\" owner=\"monitor\"/></windows>";
  const std::string with_console = changed(text, "</windows>", console);
  EXPECT_NE(digest(changed(with_console, "<console type=\"rom\"/>", "<console type=\"pl011\" window=\"log\"/>")),
            digest(with_console));
  const std::string without_view = changed(text, " parent-view=\"pl031\"", "");
  EXPECT_NE(digest(without_view), digest(text));
  EXPECT_NE(digest(changed(without_view, "<clock type=\"pl031\" window=\"rtc\"/>", "")), digest(without_view));
  const std::string vsock = "<vsock window=\"vsock\" interrupt=\"1017\"/>";
  EXPECT_NE(digest(changed(text, vsock, "")), digest(text));
  EXPECT_NE(digest(changed(text, vsock, "<vsock window=\"vsock\" interrupt=\"1016\"/>")), digest(text));
  const std::string device = "<command-device configuration=\"command-bus\" memory=\"command-memory\"/>";
  const std::string without_device = changed(text, device, "");
  EXPECT_NE(digest(without_device), digest(text));
  EXPECT_NE(digest(changed(text, device, "<command-device configuration=\"command-memory\" memory=\"command-bus\"/>")),
            digest(text));
  const std::string wide = "<window name=\"wide\" base=\"0x5000000000\" size=\"256 MiB\" owner=\"parent\"/></windows>";
  const std::string with_window = changed(text, "</windows>", wide);
  EXPECT_NE(digest(changed(with_window, "ecam=\"pcie-ecam\"", "ecam=\"wide\"")), digest(with_window));
  EXPECT_NE(digest(changed(text, "stream=\"0x8\"", "interrupt=\"77\" stream=\"0x8\"")), digest(text));
}

TEST(Digest, IsSha384OfTheCanonicalForm) {
  // SHA-384("abc"), FIPS 180-4 example.
  const std::array<std::uint8_t, 48> expected = {
      0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d, 0x69, 0x9a, 0xc6, 0x50, 0x07,
      0x27, 0x2c, 0x32, 0xab, 0x0e, 0xde, 0xd1, 0x63, 0x1a, 0x8b, 0x60, 0x5a, 0x43, 0xff, 0x5b, 0xed,
      0x80, 0x86, 0x07, 0x2b, 0xa1, 0xe7, 0xcc, 0x23, 0x58, 0xba, 0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7};
  EXPECT_EQ(boardgen::digest_of("abc"), expected);
  const auto description = accepted(board_files::xml_of("host"));
  ASSERT_NE(description, nullptr);
  EXPECT_EQ(description->tables.digest, boardgen::digest_of(boardgen::canonical_form(*description)));
}

}  // namespace
