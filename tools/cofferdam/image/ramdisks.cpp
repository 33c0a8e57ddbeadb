#include "tools/cofferdam/image/ramdisks.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "tools/cofferdam/image/cpio.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxInit = 64 << 20;
constexpr std::size_t kMaxModule = 256 << 20;
constexpr const char* kRoot = "rootfs";

// Where the first process and the kernel mount or open something.
void add_places(FileTree& tree) {
  for (const char* name : {"dev", "proc", "run", "sys", "tmp"}) {
    if (tree.find(name) == nullptr) tree.add(name, folder_entry());
  }
}

// "virtio_mmio" of "lib/virtio_mmio.ko.xz": the kernel takes - and _ for the same, the list names the file.
std::string module_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().native();
  name = name.substr(0, name.find(".ko"));
  const bool good = !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
  if (!good) throw Unreadable(path + " does not have a module's name; it is NAME.ko, perhaps compressed");
  return name;
}

void refuse_other_than_elf(ByteView bytes, const std::string& path, const char* what) {
  if (!as_text(bytes).starts_with("\x7f" "ELF")) throw Unreadable(path + " is no " + what + ": an ELF file is expected");
}

std::string as_lines(const std::vector<std::string>& lines, const char* option) {
  std::string text;
  for (const std::string& line : lines) {
    if (line.find_first_of(std::string_view("\n\0", 2)) != line.npos) {
      throw Unreadable(std::string(option) + " has a newline or a NUL byte in it; the image holds one word a line");
    }
    text += line + "\n";
  }
  return text;
}

FileEntry text_entry(const std::string& text) { return file_entry(Bytes(text.begin(), text.end())); }

// A program that is named by a path must be there; one that is searched in the PATH is left to the enclave.
void check_command(const std::vector<std::string>& command, const FileTree& root) {
  if (command.empty() || command.front().empty()) throw Unreadable("--cmd names no program; it is what the enclave runs");
  const std::string& program = command.front();
  if (!program.starts_with('/')) return;
  const FileEntry* entry = root.find(program);
  if (entry == nullptr) throw Unreadable("the root file system has no " + program + ", which --cmd names");
  if (entry->kind != FileKind::kFile || (entry->mode & 0111) == 0) {
    throw Unreadable("the root file system's " + program + " can't be executed; is it the program, and has it the permission?");
  }
}

}  // namespace

Bytes base_ramdisk(const BaseRamdisk& base) {
  FileTree tree;
  for (const std::string& folder : base.folders) read_folder(folder, {}, tree);
  add_places(tree);
  if (tree.find("dev/console") == nullptr) {
    FileEntry console{.kind = FileKind::kCharacterDevice, .mode = 0600};
    console.device_major = 5;
    console.device_minor = 1;
    tree.add("dev/console", std::move(console));
  }
  Bytes init = read_file(base.init, kMaxInit);
  if (!as_text(init).starts_with("#!")) refuse_other_than_elf(init, base.init, "program");
  tree.add("init", file_entry(std::move(init), 0755));
  std::string list;
  for (const std::string& named : base.modules) {
    const std::size_t blank = named.find(' ');
    const std::string path = named.substr(0, blank), name = module_name(path);
    Bytes module = read_file(path, kMaxModule);
    if (is_packed(module)) module = unpacked(module, kMaxModule, path);
    refuse_other_than_elf(module, path, "kernel module");
    const std::string place = "lib/modules/" + name + ".ko";
    if (tree.find(place) != nullptr) throw Unreadable("the module " + name + " is given twice");
    tree.add(place, file_entry(std::move(module)));
    list += name + (blank == named.npos ? "" : named.substr(blank)) + "\n";
  }
  tree.add("etc/cofferdam/modules", text_entry(list));
  return write_cpio(tree);
}

Bytes application_ramdisk(const ApplicationRamdisk& application, std::vector<std::string>& warnings) {
  FileTree root;
  for (const std::string& source : application.roots) {
    if (std::filesystem::is_directory(source)) {
      read_folder(source, application.attributes, root);
    } else {
      read_tar(source, application.attributes, root, warnings);
      if (root.find("manifest.json") != nullptr && (root.find("oci-layout") != nullptr || root.find("repositories") != nullptr)) {
        throw Unreadable(source + " holds an image's layers (docker save), not a root file system; "
                         "`docker create IMAGE` and `docker export CONTAINER > root.tar` give one");
      }
    }
  }
  add_places(root);
  check_command(application.command, root);
  // Under /rootfs only now, so that a link to /usr/lib led into this root above.
  FileTree tree;
  tree.add(kRoot, folder_entry());
  for (const auto& [path, entry] : root.entries()) tree.add(kRoot + ("/" + path), entry);
  for (const std::string& variable : application.environment) {
    if (variable.find('=') == variable.npos || variable.starts_with('=')) {
      throw Unreadable("--env '" + variable + "' is not NAME=VALUE");
    }
  }
  tree.add("cmd", text_entry(as_lines(application.command, "--cmd")));
  tree.add("env", text_entry(as_lines(application.environment, "--env")));
  return write_cpio(tree);
}

}  // namespace cofferdam
