#include "tools/chat/event_stream.hpp"

#include <utility>

#include "tools/chat/refused.hpp"

namespace chat {

void EventStream::feed(std::string_view piece, const Handler& handler) {
  for (const char letter : piece) {
    const bool second_of_pair = after_return_ && letter == '\n';
    after_return_ = letter == '\r';
    if (second_of_pair) continue;
    if (letter == '\n' || letter == '\r') {
      end_line(handler);
      continue;
    }
    if (line_.size() == kMaxEvent) throw Refused("stream", "the service sends a line of more than 262144 bytes");
    line_ += letter;
  }
}

void EventStream::end_line(const Handler& handler) {
  if (line_.empty()) {
    std::string data;
    data.swap(data_);
    if (std::exchange(has_data_, false)) handler(data);
    return;
  }
  std::string line;
  line.swap(line_);
  const std::size_t colon = line.find(':');
  if (std::string_view(line).substr(0, colon) != "data") return;
  std::string_view value = colon == std::string::npos ? std::string_view{} : std::string_view(line).substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (data_.size() + value.size() + 1 > kMaxEvent) throw Refused("stream", "the service sends an event of more than 262144 bytes");
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace chat
