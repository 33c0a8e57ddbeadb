#include "tools/cofferdam/image/file_tree.hpp"

#include <algorithm>
#include <deque>

namespace cofferdam {
namespace {

constexpr int kMaxLinksFollowed = 40;  // as Linux: MAXSYMLINKS

std::deque<std::string> parts_of(std::string_view path) {
  if (path.size() > kMaxPath || path.find('\0') != path.npos) {
    throw Unreadable("a path of " + std::to_string(path.size()) + " bytes, or one with a NUL byte, can't go into a ramdisk");
  }
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.size() > kMaxPathPart) throw Unreadable("'" + std::string(part) + "' is longer than Linux takes a name");
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

std::string joined(const std::string& folder, const std::string& name) { return folder.empty() ? name : folder + "/" + name; }

}  // namespace

// Goes down part by part; a link on the way is replaced by its target's parts. `missing` is told of folders that are not there.
std::string FileTree::place(std::string_view path, Last last, const Missing& missing) const {
  std::deque<std::string> left = parts_of(path);
  std::string here;
  for (int followed = 0; !left.empty();) {
    const std::string part = left.front();
    left.pop_front();
    if (part == "..") {
      if (here.empty()) throw Unreadable("'" + std::string(path) + "' leaves the root of the ramdisk");
      here.erase(here.rfind('/') == here.npos ? 0 : here.rfind('/'));
      continue;
    }
    std::string next = joined(here, part);
    const auto found = entries_.find(next);
    if (found != entries_.end() && found->second.kind == FileKind::kLink && (!left.empty() || last == Last::kFollowed)) {
      if (++followed > kMaxLinksFollowed) throw Unreadable("'" + std::string(path) + "' leads through too many links");
      const std::string_view target = as_text(*found->second.content);
      const std::deque<std::string> more = parts_of(target);
      left.insert(left.begin(), more.begin(), more.end());
      if (target.starts_with('/')) here.clear();
      continue;
    }
    if (!left.empty() && found == entries_.end()) missing(next);
    if (!left.empty() && found != entries_.end() && found->second.kind != FileKind::kFolder) {
      throw Unreadable("'" + next + "' would be a file and, for '" + std::string(path) + "', a folder");
    }
    here = std::move(next);
  }
  if (here.empty()) throw Unreadable("'" + std::string(path) + "' names no file of a ramdisk");
  return here;
}

void FileTree::add(std::string_view path, FileEntry entry) {
  if (entries_.size() >= kMaxFiles) throw Unreadable("more than " + std::to_string(kMaxFiles) + " files for one ramdisk");
  const Missing make = [this](const std::string& folder) { entries_.emplace(folder, folder_entry()); };
  // A folder laid over a link means the folder that the link leads to, as when /lib is a link to usr/lib.
  const std::string goal = place(path, entry.kind == FileKind::kFolder ? Last::kFollowed : Last::kItself, make);
  const auto found = entries_.find(goal);
  if (found == entries_.end()) {
    entries_.emplace(goal, std::move(entry));
    return;
  }
  if ((found->second.kind == FileKind::kFolder) != (entry.kind == FileKind::kFolder)) {
    throw Unreadable("'" + goal + "' would be a folder and something else");
  }
  found->second = std::move(entry);
}

void FileTree::add_hard_link(std::string_view path, std::string_view target) {
  const auto found = entries_.find(place(target, Last::kItself, [](const std::string&) {}));
  if (found == entries_.end() || found->second.kind == FileKind::kFolder) {
    throw Unreadable("'" + std::string(path) + "' is a second name of '" + std::string(target) + "', which is not there");
  }
  const FileEntry same = found->second;
  add(path, same);
}

const FileEntry* FileTree::find(std::string_view path) const {
  bool there = true;
  try {
    const auto found = entries_.find(place(path, Last::kFollowed, [&](const std::string&) { there = false; }));
    return there && found != entries_.end() ? &found->second : nullptr;
  } catch (const Unreadable&) {
    return nullptr;
  }
}

FileEntry folder_entry(std::uint32_t mode) { return {.kind = FileKind::kFolder, .mode = mode}; }

FileEntry file_entry(Bytes content, std::uint32_t mode) {
  return {.kind = FileKind::kFile, .mode = mode, .content = std::make_shared<const Bytes>(std::move(content))};
}

FileEntry link_entry(std::string_view target) {
  if (target.empty() || target.size() > kMaxPath) throw Unreadable("a link to a path of " + std::to_string(target.size()) + " bytes");
  return {.kind = FileKind::kLink, .mode = 0777, .content = std::make_shared<const Bytes>(target.begin(), target.end())};
}

}  // namespace cofferdam
