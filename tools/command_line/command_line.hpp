// Command lines: commands with options, their help, and what is said when they are used wrongly. CLI11 does the work; this library is
// the only one that includes it, for it is all templates and inline functions, which each includer compiled again. Functions that CLI11 has
// too have its names.
//
// Commands and options are handles: copies mean the same one, and all end with their Program. Not for several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace command_line {

enum class Mistake : std::uint8_t { kMissing, kConflict, kOther };

// What the person wrote can't be meant. The text says what is wrong, without a full stop.
class WrongUse : public std::runtime_error {
 public:
  WrongUse(Mistake mistake, const std::string& what) : runtime_error(what), mistake_(mistake) {}
  [[nodiscard]] Mistake mistake() const { return mistake_; }
  static WrongUse missing(const std::string& what) { return {Mistake::kMissing, what + " is required"}; }

 private:
  Mistake mistake_;
};

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  Option type_name(const std::string& name) const;              // what stands for the value in the help
  Option group(const std::string& heading) const;               // of the help
  Option capture_default_str() const;                           // the help shows what the target holds now
  Option within(int least, int most) const;
  Option within(double least, double most) const;
  Option one_of(const std::vector<std::string>& values) const;
  Option existing_folder() const;
  Option repeatable() const;                                    // again for each further value
  Option several() const;                                       // at least one value behind the name; again for more
  Option delimiter(char between) const;                         // of values in one word
  Option excludes(Option other) const;
  Option needs(Option other) const;
  [[nodiscard]] std::size_t count() const;                      // how often it was given

 private:
  CLI::Option* option_;
};

class Command {
 public:
  Command() = default;  // none: never chosen
  explicit Command(CLI::App* command) : command_(command) {}

  // `names` as "--output,-o", or one without dashes for a word in its place. The target, which outlives the parsing, keeps its value where the
  // option is not given. Its type is one of those that command_line.cpp compiles this for; another one fails to link.
  template <class Target>
  Option add_option(const std::string& names, Target& target, const std::string& help) const;
  Option add_flag(const std::string& names, bool& target, const std::string& help) const;
  Command add_subcommand(const std::string& name, const std::string& help) const;

  Command alias(const std::string& name) const;
  Command footer(const std::string& text) const;
  Command fallthrough() const;                                  // its options may stand behind the names of commands added later
  Command require_subcommand(int least, int most) const;
  Command require_subcommand(int exactly) const { return require_subcommand(exactly, exactly); }
  Command callback(std::function<void()> run) const;            // when it was chosen; may throw WrongUse
  [[nodiscard]] bool parsed() const;                            // whether it was chosen
  bool operator==(const Command&) const = default;

 protected:
  CLI::App* command_{};
};

class Program : public Command {
 public:
  explicit Program(const std::string& about, const std::string& name = "");
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  void set_help_flag(const std::string& names, const std::string& help);
  void set_help_all_flag(const std::string& names, const std::string& help);
  void set_version_flag(const std::string& names, const std::string& version);

  // False: only the help or the version was asked for, and is printed. Throws WrongUse.
  bool parse(int count, const char* const* words);
  // The exit status where there is nothing to run: 0 behind help, 2 when the use was wrong, which standard error says then.
  std::optional<int> parse_or_explain(int count, const char* const* words);

 private:
  std::unique_ptr<CLI::App> owned_;
};

// Says on standard error what is wrong, and where help is. Answers the exit status 2.
int explain(const WrongUse& mistake);

}  // namespace command_line
