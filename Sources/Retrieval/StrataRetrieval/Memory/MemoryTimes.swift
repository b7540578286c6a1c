// Owns reading "since 2021", "from March 2021", "until 2024-05-01" out of a sentence. Knows nothing about facts.
import Foundation

/// The times that a sentence gives for what it says. Dates begin at midnight UTC.
struct MemoryTimes: Sendable, Hashable {
  var from: Date?
  var to: Date?

  private static let months = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
  ]

  /// Cuts the phrases of time out of `text`.
  static func take(from text: inout Substring, saidAt now: Date) -> MemoryTimes {
    var times = MemoryTimes()
    var words = text.split(separator: " ").map(String.init)
    var index = 0
    while index < words.count {
      let word = words[index].lowercased().trimmingCharacters(in: .punctuationCharacters)
      if ["since", "from", "until", "till"].contains(word),
        let (date, length) = date(Array(words[(index + 1)...].prefix(2)))
      {
        if word == "since" || word == "from" { times.from = date } else { times.to = date }
        words.removeSubrange(index...(index + length))
        continue
      }
      index += 1
    }
    if times != MemoryTimes() { text = words.joined(separator: " ")[...] }
    return times
  }

  /// The date at the beginning of `words`, and how many of them it takes.
  static func date(_ words: [String]) -> (Date, Int)? {
    let plain = words.map { $0.lowercased().trimmingCharacters(in: CharacterSet(charactersIn: ".,;:!")) }
    guard let first = plain.first else { return nil }
    if let month = months.firstIndex(of: first), plain.count > 1, let year = year(plain[1]) {
      return day(year, month + 1, 1).map { ($0, 2) }
    }
    if let year = year(first) { return day(year, 1, 1).map { ($0, 1) } }
    let parts = first.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, let year = year(String(parts[0])), let month = Int(parts[1]), let date = Int(parts[2])
    else {
      return nil
    }
    return day(year, month, date).map { ($0, 1) }
  }

  private static func year(_ text: String) -> Int? {
    guard text.utf8.count == 4, let year = Int(text), (1800...2200).contains(year) else { return nil }
    return year
  }

  private static func day(_ year: Int, _ month: Int, _ day: Int) -> Date? {
    guard let zone = TimeZone(identifier: "UTC") else { return nil }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let components = DateComponents(calendar: calendar, timeZone: zone, year: year, month: month, day: day)
    return components.isValidDate ? components.date : nil
  }
}
