// Lines on the console: the monitor's own, within a budget for each partition, and what guests write.
//
// A guest can make the monitor log only so much: kBudget lines at once, then one every kRefillMilliseconds. Lines over
// the budget are counted, and the count is told with the next line. Nothing secret is ever an argument here.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"

namespace monitor {

inline constexpr std::uint32_t kLogBudget = 32;
inline constexpr std::uint64_t kLogRefillMilliseconds = 250;

// One line, put together without a heap; cut at the capacity.
class LogLine {
 public:
  LogLine& text(std::string_view text);
  LogLine& hex(std::uint64_t value);
  LogLine& number(std::uint64_t value);
  LogLine& bytes(base::Bytes bytes);  // as hexadecimal digits
  [[nodiscard]] std::string_view view() const { return {line_.data(), size_}; }

 private:
  void digit(std::uint64_t value);  // 0..15, hexadecimal

  std::array<char, 200> line_{};
  std::size_t size_{0};
};

void log(const LogLine& line);                                   // the monitor's own progress
void log_about(base::PartitionId partition, const LogLine& line);  // caused by a partition: within its budget
// Text from a guest. The parent's goes out as it is; an enclave's line by line, with its slot in front.
void console_from_guest(base::PartitionId partition, std::string_view text);
void forget_console(base::PartitionId partition);  // an unfinished line of an enclave that is gone

}  // namespace monitor
