// Owns serving the web page, whose files are compiled into the binary.
import Hummingbird
import NIOCore
import StrataCore

struct PageRoutes: Sendable {
  private struct Asset: Sendable {
    let path: String
    let contentType: String
    let bytes: [UInt8]
  }

  private static var assets: [Asset] {
    let script = "text/javascript; charset=utf-8"
    return [
      Asset(path: "/", contentType: "text/html; charset=utf-8", bytes: PackageResources.index_html),
      Asset(path: "/style.css", contentType: "text/css; charset=utf-8", bytes: PackageResources.style_css),
      Asset(path: "/icon.svg", contentType: "image/svg+xml", bytes: PackageResources.icon_svg),
      Asset(path: "/theme.js", contentType: script, bytes: PackageResources.theme_js),
      Asset(path: "/app.js", contentType: script, bytes: PackageResources.app_js),
      Asset(path: "/api.js", contentType: script, bytes: PackageResources.api_js),
      Asset(path: "/ask.js", contentType: script, bytes: PackageResources.ask_js),
      Asset(path: "/search.js", contentType: script, bytes: PackageResources.search_js),
      Asset(path: "/access.js", contentType: script, bytes: PackageResources.access_js),
      Asset(path: "/details.js", contentType: script, bytes: PackageResources.details_js),
      Asset(path: "/documents.js", contentType: script, bytes: PackageResources.documents_js),
      Asset(path: "/dom.js", contentType: script, bytes: PackageResources.dom_js),
      Asset(path: "/history.js", contentType: script, bytes: PackageResources.history_js),
      Asset(path: "/panel.js", contentType: script, bytes: PackageResources.panel_js),
      Asset(path: "/text.js", contentType: script, bytes: PackageResources.text_js),
    ]
  }

  var routes: [Route] {
    PageRoutes.assets.map { asset in
      let buffer = ByteBuffer(bytes: asset.bytes)
      let tag = "\"\(PageRoutes.fingerprint(asset.bytes))\""
      return Route(.get, asset.path, .everybody) { request, _ in
        let headers: HTTPFields = [.contentType: asset.contentType, .cacheControl: "no-cache", .eTag: tag]
        if request.headers[.ifNoneMatch] == tag { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: buffer))
      }
    }
  }

  /// FNV-1a, enough to notice that a file changed.
  private static func fingerprint(_ bytes: [UInt8]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return String(hash, radix: 16)
  }
}
