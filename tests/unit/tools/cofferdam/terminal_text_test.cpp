// What a hostile server can put on its user's terminal: text.
#include <gtest/gtest.h>

#include "tools/cofferdam/terminal_text.hpp"

namespace {

using cofferdam::terminal_text;

TEST(TerminalText, LeavesTextAlone) {
  for (const char* text : {"", "plain, with a\ttab\nand lines", "Gr\u00fc\u00dfe", "\u6f22\u5b57", "\U0001f600"}) {
    EXPECT_EQ(terminal_text(text), text);
  }
}

TEST(TerminalText, ShowsWhatWouldAct) {
  EXPECT_EQ(terminal_text("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(terminal_text("\a\b\r\x7f"), "\\x07\\x08\\x0d\\x7f");
  EXPECT_EQ(terminal_text(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(terminal_text("\u0080\u009b2J\u009f\u00a0"), "\\u{80}\\u{9b}2J\\u{9f}\u00a0");
  EXPECT_EQ(terminal_text("\u202eabc\u2066\u200f\u2028\ufeff"), "\\u{202e}abc\\u{2066}\\u{200f}\\u{2028}\\u{feff}");
}

TEST(TerminalText, ShowsBytesThatAreNoText) {
  EXPECT_EQ(terminal_text("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(terminal_text("a\x9b" "2J"), "a\\x9b2J");          // CSI as one byte
  EXPECT_EQ(terminal_text("\xc3"), "\\xc3");                    // cut off
  EXPECT_EQ(terminal_text("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(terminal_text("\xc0\x9b"), "\\xc0\\x9b");           // longer than it need be
  EXPECT_EQ(terminal_text("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half of a surrogate pair
}

}  // namespace
