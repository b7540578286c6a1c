// Owns how the C library shares out memory among threads. Knows nothing about what it is for.
import CMalloc
import Foundation

enum MemoryArenas {
  /// Bounds how many heaps the threads of this process use.
  ///
  /// glibc gives threads up to eight heaps per processor, and what one frees no other takes. Work that wanders over
  /// threads, as tasks do, leaves holes in each: a process that loads and removes the same documents again and again
  /// grew from 39 to 127 MB in 80 rounds, and stays at 55 MB with a heap per processor.
  static func bound() {
    #if os(Linux)
      _ = mallopt(M_ARENA_MAX, Int32(min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 8)))
    #endif
  }
}
