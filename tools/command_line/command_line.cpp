#include "tools/command_line/command_line.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

namespace command_line {
namespace {

constexpr int kWrongUse = 2;

WrongUse wrong_use(const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return {Mistake::kMissing, error.what()};
  if (dynamic_cast<const CLI::RequiresError*>(&error) != nullptr) return {Mistake::kMissing, error.what()};
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) return {Mistake::kConflict, error.what()};
  return {Mistake::kOther, error.what()};
}

}  // namespace

Option Option::required() const { return Option(option_->required()); }
Option Option::type_name(const std::string& name) const { return Option(option_->type_name(name)); }
Option Option::group(const std::string& heading) const { return Option(option_->group(heading)); }
Option Option::capture_default_str() const { return Option(option_->capture_default_str()); }
Option Option::within(int least, int most) const { return Option(option_->check(CLI::Range(least, most))); }
Option Option::within(double least, double most) const { return Option(option_->check(CLI::Range(least, most))); }
Option Option::one_of(const std::vector<std::string>& values) const { return Option(option_->check(CLI::IsMember(values))); }
Option Option::existing_folder() const { return Option(option_->check(CLI::ExistingDirectory)); }
Option Option::repeatable() const { return Option(option_->expected(1)->take_all()->allow_extra_args(false)); }
Option Option::several() const { return Option(option_->expected(1, -1)); }
Option Option::delimiter(char between) const { return Option(option_->delimiter(between)); }
Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }
Option Option::needs(Option other) const { return Option(option_->needs(other.option_)); }
std::size_t Option::count() const { return option_->count(); }

template <class Target>
Option Command::add_option(const std::string& names, Target& target, const std::string& help) const {
  return Option(command_->add_option(names, target, help));
}
template Option Command::add_option(const std::string&, std::string&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::int32_t&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::int32_t>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::uint32_t&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::uint32_t>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::uint32_t>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Command::add_option(const std::string&, double&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<double>&, const std::string&) const;

Option Command::add_flag(const std::string& names, bool& target, const std::string& help) const {
  return Option(command_->add_flag(names, target, help));
}
Command Command::add_subcommand(const std::string& name, const std::string& help) const { return Command(command_->add_subcommand(name, help)); }
Command Command::alias(const std::string& name) const { return Command(command_->alias(name)); }
Command Command::footer(const std::string& text) const { return Command(command_->footer(text)); }
Command Command::fallthrough() const { return Command(command_->fallthrough()); }
Command Command::require_subcommand(int least, int most) const {
  return Command(command_->require_subcommand(static_cast<std::size_t>(least), static_cast<std::size_t>(most)));
}
Command Command::callback(std::function<void()> run) const { return Command(command_->callback(std::move(run))); }
bool Command::parsed() const { return command_ != nullptr && command_->parsed(); }

Program::Program(const std::string& about, const std::string& name) : owned_(std::make_unique<CLI::App>(about, name)) { command_ = owned_.get(); }
Program::~Program() = default;

void Program::set_help_flag(const std::string& names, const std::string& help) { command_->set_help_flag(names, help); }
void Program::set_help_all_flag(const std::string& names, const std::string& help) { command_->set_help_all_flag(names, help); }
void Program::set_version_flag(const std::string& names, const std::string& version) { command_->set_version_flag(names, version); }

bool Program::parse(int count, const char* const* words) {
  try {
    command_->parse(count, words);
    return true;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw wrong_use(error);
    command_->exit(error);  // prints what was asked for
    return false;
  }
}

std::optional<int> Program::parse_or_explain(int count, const char* const* words) {
  try {
    return parse(count, words) ? std::nullopt : std::optional(0);
  } catch (const WrongUse& mistake) {
    return explain(mistake);
  }
}

int explain(const WrongUse& mistake) {
  std::cerr << mistake.what() << "\nRun with --help for more information.\n";
  return kWrongUse;
}

}  // namespace command_line
