#include "tests/unit/tools/kms/store/broken_disk.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace kms {
namespace {

Breakage g_breakage{};
std::uint64_t g_at{}, g_steps{};
sqlite3_vfs g_disk;
sqlite3_vfs* g_real{};

// SQLite's files: ours, with the real one behind it in the same memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real;
  const char* name;  // SQLite keeps it as long as the file is open
};
sqlite3_file* real_of(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

// What undoes the writes to a file since it was synced, oldest first.
struct Undo {
  sqlite3_int64 at{}, size_of_file{};
  std::vector<char> bytes;
};
std::map<std::string, std::vector<Undo>> g_unsynced;

void remember(sqlite3_file* file, sqlite3_int64 at, sqlite3_int64 size) {
  if (g_breakage != Breakage::kPowerLoss) return;
  const auto* ours = reinterpret_cast<File*>(file);
  Undo undo{at, 0, {}};
  ours->real->pMethods->xFileSize(ours->real, &undo.size_of_file);
  undo.bytes.resize(static_cast<std::size_t>(std::max<sqlite3_int64>(0, std::min(size, undo.size_of_file - at))));
  ours->real->pMethods->xRead(ours->real, undo.bytes.data(), static_cast<int>(undo.bytes.size()), at);
  g_unsynced[ours->name].push_back(std::move(undo));
}
void lose_power() {
  for (auto& [name, undos] : g_unsynced) {
    const int file = ::open(name.c_str(), O_RDWR);
    for (auto undo = undos.rbegin(); file >= 0 && undo != undos.rend(); ++undo) {
      if (::pwrite(file, undo->bytes.data(), undo->bytes.size(), undo->at) < 0 || ::ftruncate(file, undo->size_of_file) != 0) ::abort();
    }
    if (name.ends_with("-wal")) ::unlink((name.substr(0, name.size() - 4) + "-shm").c_str());
  }
  ::kill(::getpid(), SIGKILL);
}

enum class Now : std::uint8_t { kGo, kTear, kGoAndEnd, kRefuse };
Now step() {
  ++g_steps;
  if (g_at == 0 || g_steps < g_at) return Now::kGo;
  if (g_steps > g_at) return g_breakage == Breakage::kFail ? Now::kRefuse : Now::kGo;
  switch (g_breakage) {
    case Breakage::kEndBefore: ::kill(::getpid(), SIGKILL); return Now::kRefuse;
    case Breakage::kPowerLoss: lose_power(); return Now::kRefuse;
    case Breakage::kEndTorn: return Now::kTear;
    case Breakage::kEndAfter: return Now::kGoAndEnd;
    case Breakage::kFail: return Now::kRefuse;
  }
  return Now::kGo;
}
// For what can't be torn.
template <class Do>
int take_step(Do go) {
  const Now now = step();
  if (now == Now::kTear) ::kill(::getpid(), SIGKILL);
  if (now == Now::kRefuse) return SQLITE_IOERR;
  const int code = go();
  if (now == Now::kGoAndEnd) ::kill(::getpid(), SIGKILL);
  return code;
}

int close_file(sqlite3_file* file) { return real_of(file)->pMethods->xClose(real_of(file)); }
int read_file(sqlite3_file* f, void* to, int size, sqlite3_int64 at) { return real_of(f)->pMethods->xRead(real_of(f), to, size, at); }
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  sqlite3_file* real = real_of(file);
  const Now now = step();
  if (now == Now::kRefuse) return SQLITE_IOERR_WRITE;
  remember(file, at, size);
  const int code = real->pMethods->xWrite(real, from, now == Now::kTear ? size / 2 : size, at);
  if (now != Now::kGo) ::kill(::getpid(), SIGKILL);
  return code;
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  return take_step([&] {
    remember(f, size, std::numeric_limits<int>::max());
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
  });
}
int sync_file(sqlite3_file* f, int flags) {
  return take_step([&] {
    g_unsynced.erase(reinterpret_cast<File*>(f)->name);
    return real_of(f)->pMethods->xSync(real_of(f), flags);
  });
}
int size_of_file(sqlite3_file* f, sqlite3_int64* size) { return real_of(f)->pMethods->xFileSize(real_of(f), size); }
int lock_file(sqlite3_file* f, int lock) { return real_of(f)->pMethods->xLock(real_of(f), lock); }
int unlock_file(sqlite3_file* f, int lock) { return real_of(f)->pMethods->xUnlock(real_of(f), lock); }
int check_lock(sqlite3_file* f, int* out) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out); }
int control_file(sqlite3_file* f, int what, void* argument) { return real_of(f)->pMethods->xFileControl(real_of(f), what, argument); }
int sector_size(sqlite3_file* f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
// No promise that a write is atomic: SQLite must not rely on this machine's disk.
int characteristics(sqlite3_file*) { return 0; }
int map_index(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
int lock_index(sqlite3_file* f, int offset, int n, int flags) {
  // Releasing the writer's lock comes after the index was changed: a step too.
  if ((flags & SQLITE_SHM_UNLOCK) == 0 || (flags & SQLITE_SHM_EXCLUSIVE) == 0) {
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
  }
  const Now now = step();
  if (now == Now::kTear) ::kill(::getpid(), SIGKILL);
  const int code = real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);  // an unlock can't fail
  if (now == Now::kGoAndEnd) ::kill(::getpid(), SIGKILL);
  return code;
}
void index_barrier(sqlite3_file* f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
int unmap_index(sqlite3_file* f, int remove) { return real_of(f)->pMethods->xShmUnmap(real_of(f), remove); }

const sqlite3_io_methods kMethods = {2, close_file, read_file, write_file, truncate_file, sync_file, size_of_file, lock_file,
                                     unlock_file, check_lock, control_file, sector_size, characteristics, map_index, lock_index,
                                     index_barrier, unmap_index, nullptr, nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* ours = reinterpret_cast<File*>(file);
  ours->base.pMethods = nullptr;
  ours->name = name == nullptr ? "" : name;
  ours->real = reinterpret_cast<sqlite3_file*>(ours + 1);
  const auto open = [&] { return g_real->xOpen(g_real, name, ours->real, flags, out_flags); };
  const int code = (flags & SQLITE_OPEN_CREATE) != 0 ? take_step(open) : open();
  if (code == SQLITE_OK) ours->base.pMethods = &kMethods;
  return code;
}
int delete_file(sqlite3_vfs*, const char* name, int sync) {
  return take_step([&] { return g_real->xDelete(g_real, name, sync); });
}

}  // namespace

void use_broken_disk(Breakage breakage, std::uint64_t at) {
  g_breakage = breakage;
  g_at = at;
  g_steps = 0;
  if (g_real != nullptr) return;
  g_real = sqlite3_vfs_find(nullptr);
  g_disk = *g_real;
  g_disk.szOsFile = static_cast<int>(sizeof(File)) + g_real->szOsFile;
  g_disk.zName = "broken disk";
  g_disk.xOpen = open_file;
  g_disk.xDelete = delete_file;
  sqlite3_vfs_register(&g_disk, 1);
}
std::uint64_t disk_steps() { return g_steps; }
void mend_disk() { g_at = 0; }

}  // namespace kms
