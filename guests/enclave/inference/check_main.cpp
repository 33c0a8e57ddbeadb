// inference-check DIR... <service.json: whether an enclave takes the file, with the files that each DIR lays over its
// root. For who makes an image: the enclave itself says it at its start, when its PCR0 is in the owners' policies
// already.
#include <cstdio>
#include <filesystem>
#include <ranges>

#include "guests/enclave/inference/configuration.hpp"

namespace {

constexpr std::size_t kMostFile = 1 << 20;

std::string content_of(const std::string& path) {
  try {
    return std::string(cofferdam::as_text(cofferdam::read_file(path, kMostFile)));
  } catch (const cofferdam::Unreadable& error) {
    throw inference::BadConfiguration(error.what());
  }
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::filesystem::path> folders(words + 1, words + count);
  const auto read = [&folders](const std::string& path) {
    for (const auto& folder : folders | std::views::reverse) {  // the last one lies on top
      const std::filesystem::path file = folder / std::filesystem::path(path).relative_path();
      if (std::filesystem::is_regular_file(file)) return content_of(file);
    }
    throw inference::BadConfiguration("service.json names " + path + ", which no --add holds");
  };
  try {
    (void)inference::parse_service(content_of("-"), read);
  } catch (const inference::BadConfiguration& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
