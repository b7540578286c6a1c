// Debian's libxml2 can use ICU, and then its headers bring ICU's, which contradict those in Foundation. Nothing here
// touches the one structure that differs.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>
#include <libxml/tree.h>
#include <libxml/xmlreader.h>
#include <libxml/xpath.h>
