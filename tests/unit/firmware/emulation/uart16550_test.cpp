// The console's chip: the probing and the transmission that Linux's drivers/tty/serial/8250 and its earlycon do.
#include "firmware/emulation/uart16550.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using base::Error;
using emulation::Uart16550;

constexpr std::uint64_t kTransmit = 0, kInterruptEnable = 1, kIir = 2, kFifoControl = 2, kLineControl = 3,
                        kModemControl = 4, kLineStatus = 5, kModemStatus = 6, kScratch = 7;
constexpr std::uint8_t kTransmitter = 2;

constinit Uart16550 g_chip;  // no code runs before it may be used

class Uart : public testing::Test {
 protected:
  std::uint8_t read(std::uint64_t offset) {
    const auto value = chip_.read(offset, 1);
    EXPECT_TRUE(value.ok()) << offset;
    return value.ok() ? *value : 0xee;
  }
  void write(std::uint64_t offset, std::uint8_t value) {
    const auto sent = chip_.write(offset, 1, value);
    ASSERT_TRUE(sent.ok()) << offset;
    if (sent->has_value()) line_.push_back(static_cast<char>(**sent));
  }

  Uart16550 chip_{};
  std::string line_;
};

TEST_F(Uart, EarlyConsoleWritesWithoutSettingAnythingUp) {
  EXPECT_EQ(*g_chip.read(kLineStatus, 1), 0x60);
  for (const char letter : std::string("boot\r\n")) {
    EXPECT_EQ(read(kLineStatus) & 0x60, 0x60);
    write(kTransmit, static_cast<std::uint8_t>(letter));
  }
  EXPECT_EQ(line_, "boot\r\n");
}

// autoconfig(): what decides that this is a 16550A and none of the chips that came before and after it.
TEST_F(Uart, ProbingFindsA16550A) {
  write(kInterruptEnable, 0);
  EXPECT_EQ(read(kInterruptEnable) & 0x0f, 0);
  write(kInterruptEnable, 0x0f);
  EXPECT_EQ(read(kInterruptEnable) & 0x0f, 0x0f);
  write(kInterruptEnable, 0);
  write(kModemControl, 0x10 | 0x08 | 0x02);  // looped back: OUT2 and RTS come back as DCD and CTS
  EXPECT_EQ(read(kModemStatus) & 0xf0, 0x90);
  write(kModemControl, 0x10 | 0x04 | 0x01);
  EXPECT_EQ(read(kModemStatus) & 0xf0, 0x60);
  write(kModemControl, 0);

  write(kLineControl, 0xbf);
  write(kLineControl, 0);
  write(kFifoControl, 1);
  EXPECT_EQ(read(kIir) >> 6, 3);  // working FIFOs
  for (const std::uint8_t mode : {std::uint8_t{0x80}, std::uint8_t{0xbf}}) {
    write(kLineControl, mode);
    EXPECT_NE(read(kFifoControl), 0);  // no enhanced feature register
  }
  write(kLineControl, 0);
  write(kModemControl, 0x10);
  write(kLineControl, 0xe0);
  EXPECT_EQ(read(kFifoControl) & 0x10, 0);  // no second bank, so no NS16550A of a SuperIO chip
  write(kLineControl, 0);
  write(kModemControl, 0);
  for (const std::uint8_t mode : {std::uint8_t{0}, std::uint8_t{0x80}}) {
    write(kLineControl, mode);
    write(kFifoControl, 0x21);
    EXPECT_EQ(read(kIir) >> 5, 6);  // no 64-byte FIFOs
  }
  write(kLineControl, 0);
  write(kInterruptEnable, 0x40);
  EXPECT_EQ(read(kInterruptEnable), 0);  // no UART of an XScale
  write(kFifoControl, 0);
  EXPECT_EQ(read(kIir) >> 6, 0);
  EXPECT_EQ(line_, "");
}

TEST_F(Uart, ScratchDivisorAndLineControlKeepWhatIsWritten) {
  write(kScratch, 0xa5);
  EXPECT_EQ(read(kScratch), 0xa5);
  write(kInterruptEnable, 5);
  write(kLineControl, 0x83);
  write(kTransmit, 0x34);
  write(kInterruptEnable, 0x12);
  EXPECT_EQ(read(kTransmit), 0x34);
  EXPECT_EQ(read(kInterruptEnable), 0x12);
  write(kLineControl, 0x03);
  EXPECT_EQ(read(kLineControl), 0x03);
  EXPECT_EQ(read(kInterruptEnable), 5);
  EXPECT_EQ(read(kTransmit), 0);
  EXPECT_EQ(line_, "");  // a divisor is nothing to send
}

// serial8250_do_startup(): without these answers Linux takes the chip for a broken one and polls it with a timer.
TEST_F(Uart, EnablingTheTransmitterInterruptRaisesItEachTime) {
  write(kFifoControl, 1);
  for (int i = 0; i < 2; ++i) {
    write(kInterruptEnable, kTransmitter);
    EXPECT_TRUE(chip_.interrupt_line());
    EXPECT_EQ(read(kIir), 0xc2);
    EXPECT_FALSE(chip_.interrupt_line());
    EXPECT_EQ(read(kIir), 0xc1);
    write(kInterruptEnable, 0);
  }
}

TEST_F(Uart, TransmissionByInterruptSendsAllAndEnds) {
  const std::string text(1000, 'x');
  std::size_t position = 0;
  write(kFifoControl, 1);
  write(kInterruptEnable, 0x07);
  int interrupts = 0;
  while (chip_.interrupt_line()) {
    ASSERT_LT(++interrupts, 200);
    ASSERT_EQ(read(kIir) & 0x0f, 2);
    ASSERT_EQ(read(kLineStatus) & 0x61, 0x60);
    for (int i = 0; i < 16 && position < text.size(); ++i) write(kTransmit, static_cast<std::uint8_t>(text[position++]));
    if (position == text.size()) write(kInterruptEnable, 0x05);
  }
  EXPECT_EQ(line_, text);
  EXPECT_EQ(read(kIir), 0xc1);
}

TEST_F(Uart, OnlyTheTransmitterInterrupts) {
  write(kInterruptEnable, 0x0d);
  write(kTransmit, 'x');
  write(kModemControl, 0x1b);
  EXPECT_FALSE(chip_.interrupt_line());
  EXPECT_EQ(read(kIir), 0x01);
  write(kInterruptEnable, 0x0f);
  EXPECT_TRUE(chip_.interrupt_line());
}

TEST_F(Uart, NothingIsEverReceived) {
  EXPECT_EQ(read(kModemStatus), 0xb0);  // the other side is there and ready
  write(kModemControl, 0x10);
  for (int i = 0; i < 256; ++i) write(kTransmit, static_cast<std::uint8_t>(i));
  EXPECT_EQ(read(kLineStatus), 0x60);
  EXPECT_EQ(read(kTransmit), 0);
  EXPECT_EQ(line_, "");  // looped back it does not leave the chip
  write(kModemControl, 0x0b);
  write(kTransmit, '!');
  EXPECT_EQ(line_, "!");
}

TEST_F(Uart, OtherAccessesAreErrorsAndOtherRegistersAreNotThere) {
  for (const std::uint32_t size : {0U, 2U, 4U, 8U}) {
    EXPECT_EQ(chip_.read(kScratch, size).error(), Error::kInvalidArgument) << size;
    EXPECT_EQ(chip_.write(kScratch, size, 1).error(), Error::kInvalidArgument) << size;
  }
  EXPECT_EQ(chip_.read(Uart16550::kSize, 1).error(), Error::kInvalidArgument);
  EXPECT_EQ(chip_.write(~std::uint64_t{0}, 1, 1).error(), Error::kInvalidArgument);
  for (const std::uint64_t offset : {8U, 9U, 0x100U, 0xfffU}) {
    write(offset, 0xff);
    EXPECT_EQ(read(offset), 0) << offset;
  }
  write(kLineStatus, 0);
  write(kModemStatus, 0);
  EXPECT_EQ(read(kLineStatus), 0x60);
  EXPECT_EQ(read(kModemStatus), 0xb0);
  EXPECT_EQ(line_, "");
}

}  // namespace
