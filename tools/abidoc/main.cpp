// abidoc                 prints docs/hypercall-abi.md
// abidoc --check FILE    exit status 1 when FILE says something else
#include <fstream>
#include <iostream>
#include <iterator>
#include <string_view>

#include "tools/abidoc/render.hpp"

int main(int count, char** arguments) {
  if (count == 1) {
    std::cout << abidoc::render();
    return 0;
  }
  if (count != 3 || std::string_view{arguments[1]} != "--check") {
    std::cerr << "usage: abidoc [--check FILE]\n";
    return 2;
  }
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text == abidoc::render()) return 0;
  std::cerr << arguments[2] << " differs from firmware/hypercall/call_table.hpp: run build/bin/abidoc > "
            << arguments[2] << "\n";
  return 1;
}
