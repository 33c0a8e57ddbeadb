// Server-sent events, cut into pieces anywhere, as a stream of their data (WHATWG HTML Living Standard, section 9.2.6).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace chat {

inline constexpr std::size_t kMaxEvent = 256 * 1024;  // bytes of one event's data, and of one line

class EventStream {
 public:
  using Handler = std::function<void(std::string_view data)>;
  // Calls `handler` for each event that `piece` completes; events without data are none. Lines end with LF, CR or both. Fields but
  // `data` are passed over. Throws Refused (stream) when a line or an event is longer than kMaxEvent.
  void feed(std::string_view piece, const Handler& handler);

 private:
  void end_line(const Handler& handler);
  std::string line_, data_;
  bool has_data_{}, after_return_{};
};

}  // namespace chat
