#include "tools/strict_json/strict_json.hpp"

#include <set>
#include <vector>

namespace strict_json {
namespace {

// Decides before a value exists whether it may: nlohmann's own parser keeps the last of equal keys and has no bound on depth.
class Examiner final : public nlohmann::json_sax<Json> {
 public:
  Examiner(int depth, std::string& why) : depth_(depth), why_(why) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    why_ = "\"" + name.substr(0, 64) + "\" stands twice";
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    why_ = "it ends or has a wrong sign at byte " + std::to_string(position);
    return false;
  }

 private:
  bool open() {
    keys_.emplace_back();
    if (keys_.size() <= static_cast<std::size_t>(depth_)) return true;
    why_ = "nested deeper than " + std::to_string(depth_);
    return false;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }
  std::vector<std::set<std::string>> keys_;
  int depth_;
  std::string& why_;
};

}  // namespace

std::optional<Json> parse(std::string_view text, int depth, std::string& why) {
  Examiner examiner(depth, why);
  if (!Json::sax_parse(text, &examiner)) return std::nullopt;
  return Json::parse(text);
}

std::optional<Json> parse_object(std::string_view text, int depth) {
  std::string why;
  std::optional<Json> parsed = parse(text, depth, why);
  return parsed && parsed->is_object() ? std::move(parsed) : std::nullopt;
}

std::optional<std::string> string_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

}  // namespace strict_json
