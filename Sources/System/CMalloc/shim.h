// What the C library lets a program say about its heaps; Swift's own module of it leaves this out.
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif
