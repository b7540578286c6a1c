// Owns the decimal spellings of number ranges, as patterns. Knows nothing about schemas.

import StrataCore

/// Numbers between bounds as JSON spells them. Digits are bounded (19 before the point unless the bounds need more, 17
/// after it), so that a model cannot write digits without end.
struct NumberPatterns {
  static let integerDigits = 19
  static let fractionDigits = 17
  static let boundDigits = 80

  /// Bounds in force; `isExclusive` applies to the bound beside it.
  struct Bound {
    var isNegative: Bool
    /// Digits without leading zeros ("0" alone for zero).
    var whole: [UInt8]
    /// Digits without trailing zeros.
    var fraction: [UInt8]
    var isExclusive: Bool

    /// Nil when the number is too long to be spelt out.
    init?(_ number: JSONNumber, isExclusive: Bool) {
      let form = number.canonical
      isNegative = form.isNegative
      self.isExclusive = isExclusive
      let digits = Array(form.digits.utf8)
      guard abs(form.exponent) <= NumberPatterns.boundDigits, digits.count <= NumberPatterns.boundDigits else {
        return nil
      }
      if form.exponent >= 0 {
        whole = digits + Array(repeating: 0x30, count: form.exponent)
        fraction = []
      } else if digits.count > -form.exponent {
        whole = Array(digits[..<(digits.count + form.exponent)])
        fraction = Array(digits[(digits.count + form.exponent)...])
      } else {
        whole = [0x30]
        fraction = Array(repeating: 0x30, count: -form.exponent - digits.count) + digits
      }
      if whole == [0x30] || whole.allSatisfy({ $0 == 0x30 }) { whole = [0x30] }
    }

    var isZero: Bool { whole == [0x30] && fraction.isEmpty }
  }

  private static let digit = PatternNode.scalar(.digits)
  private static func digits(_ low: UInt8, _ high: UInt8) -> PatternNode {
    .scalar(ScalarSet([UInt32(low)...UInt32(high)]))
  }
  private static func literal(_ bytes: some Sequence<UInt8>) -> PatternNode {
    .sequence(bytes.map { digits($0, $0) })
  }
  private static let never = PatternNode.scalar(ScalarSet([]))

  /// Integers with `low <= value <= high` (exclusive as the bounds say).
  static func integer(low: Bound?, high: Bound?) -> PatternNode {
    range(low: low, high: high) { magnitudeLow, magnitudeHigh in
      // Rounding towards the inside makes the bounds inclusive integers.
      let from = magnitudeLow.map { bound in
        bound.fraction.isEmpty && !bound.isExclusive ? bound.whole : incremented(bound.whole)
      }
      let to = magnitudeHigh.flatMap { bound -> [UInt8]? in
        bound.fraction.isEmpty && bound.isExclusive ? decremented(bound.whole) : bound.whole
      }
      if magnitudeHigh != nil, to == nil { return never }
      return wholes(from: from ?? [0x30], to: to)
    }
  }

  /// Numbers between the bounds; an exponent is possible only without bounds.
  static func number(low: Bound?, high: Bound?) -> PatternNode {
    let fraction = PatternNode.sequence([
      literal([0x2E]), .loop(digit, least: 1, most: fractionDigits),
    ])
    if low == nil, high == nil {
      let exponent = PatternNode.sequence([
        .scalar(ScalarSet([0x45...0x45, 0x65...0x65])),
        .loop(.scalar(ScalarSet([0x2B...0x2B, 0x2D...0x2D])), least: 0, most: 1), .loop(digit, least: 1, most: 3),
      ])
      return .sequence([
        .start, .loop(literal([0x2D]), least: 0, most: 1), wholes(from: [0x30], to: nil),
        .loop(fraction, least: 0, most: 1), .loop(exponent, least: 0, most: 1), .end,
      ])
    }
    return range(low: low, high: high) { from, to in decimals(from: from, to: to) }
  }

  /// Integers divided by 10^`places`: at most that many digits after the point.
  static func decimals(places: Int) -> PatternNode {
    .sequence([
      .start, .loop(literal([0x2D]), least: 0, most: 1), wholes(from: [0x30], to: nil),
      .loop(.sequence([literal([0x2E]), .loop(digit, least: 1, most: places)]), least: 0, most: 1), .end,
    ])
  }

  /// Splits a range at zero: `body` gets bounds of the magnitude.
  private static func range(low: Bound?, high: Bound?, _ body: (Bound?, Bound?) -> PatternNode) -> PatternNode {
    var choices: [PatternNode] = []
    if !(high.map { $0.isNegative || ($0.isZero && $0.isExclusive) } ?? false) {
      let from = low.flatMap { $0.isNegative ? nil : $0 }
      choices.append(body(from, high))
    }
    if low.map(\.isNegative) ?? true {
      let to = low.map(magnitude)
      var from = high.flatMap { $0.isNegative ? magnitude($0) : nil }
      // `-0` is left out: zero has one spelling.
      if from == nil, var zero = Bound(JSONNumber(0), isExclusive: true) {
        zero.isExclusive = true
        from = zero
      }
      choices.append(.sequence([literal([0x2D]), body(from, to)]))
    }
    return .sequence([.start, choices.isEmpty ? never : .choice(choices), .end])
  }

  private static func magnitude(_ bound: Bound) -> Bound {
    var bound = bound
    bound.isNegative = false
    return bound
  }

  static func incremented(_ digits: [UInt8]) -> [UInt8] {
    var result = digits
    for index in result.indices.reversed() {
      if result[index] < 0x39 {
        result[index] += 1
        return result
      }
      result[index] = 0x30
    }
    return [0x31] + result
  }

  /// Nil below zero.
  static func decremented(_ digits: [UInt8]) -> [UInt8]? {
    if digits == [0x30] { return nil }
    var result = digits
    for index in result.indices.reversed() {
      if result[index] > 0x30 {
        result[index] -= 1
        break
      }
      result[index] = 0x39
    }
    let trimmed = Array(result.drop { $0 == 0x30 })
    return trimmed.isEmpty ? [0x30] : trimmed
  }

  private static func isLess(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
  }

  /// Non-negative integers without leading zeros, bounds included; `to` nil is unbounded.
  private static func wholes(from: [UInt8], to: [UInt8]?) -> PatternNode {
    if let to, isLess(to, from) { return never }
    let longest = max(to?.count ?? max(integerDigits, from.count), from.count)
    var choices: [PatternNode] = []
    for length in from.count...longest {
      let least = length == from.count ? from : [0x31] + Array(repeating: 0x30, count: length - 1)
      let most = length == to?.count ? to ?? [] : Array(repeating: 0x39, count: length)
      if length == 1 {
        choices.append(digits(least[0], most[0]))
      } else {
        choices.append(sameLength(least[...], most[...]))
      }
    }
    return .choice(choices)
  }

  /// Digit strings of one length between two others.
  private static func sameLength(_ low: ArraySlice<UInt8>, _ high: ArraySlice<UInt8>) -> PatternNode {
    guard let first = low.first, let last = high.first else { return .empty }
    let restLow = low.dropFirst()
    let restHigh = high.dropFirst()
    let free = restLow.allSatisfy { $0 == 0x30 } && restHigh.allSatisfy { $0 == 0x39 }
    if free { return .sequence([digits(first, last), .loop(digit, least: restLow.count, most: restLow.count)]) }
    if first == last { return .sequence([digits(first, first), sameLength(restLow, restHigh)]) }
    let zeros = Array(repeating: UInt8(0x30), count: restLow.count)[...]
    let nines = Array(repeating: UInt8(0x39), count: restLow.count)[...]
    var choices = [PatternNode.sequence([digits(first, first), sameLength(restLow, nines)])]
    if first + 1 < last {
      choices.append(
        .sequence([digits(first + 1, last - 1), .loop(digit, least: restLow.count, most: restLow.count)]))
    }
    choices.append(.sequence([digits(last, last), sameLength(zeros, restHigh)]))
    return .choice(choices)
  }

  /// Non-negative decimals between bounds.
  private static func decimals(from: Bound?, to: Bound?) -> PatternNode {
    let anyFraction = PatternNode.loop(
      .sequence([literal([0x2E]), .loop(digit, least: 1, most: fractionDigits)]), least: 0, most: 1)
    let low = from?.whole ?? [0x30]
    if let to, isLess(to.whole, low) { return never }
    var choices: [PatternNode] = []
    if let to, to.whole == low {
      choices.append(.sequence([literal(low), fraction(from: from, to: to)]))
    } else {
      choices.append(.sequence([literal(low), fraction(from: from, to: nil)]))
      let above = to.flatMap { decremented($0.whole) }
      choices.append(.sequence([wholes(from: incremented(low), to: above), anyFraction]))
      if let to { choices.append(.sequence([literal(to.whole), fraction(from: nil, to: to)])) }
    }
    return .choice(choices)
  }

  /// What may follow the whole part: nothing or a fraction, between the fractions of the bounds.
  private static func fraction(from: Bound?, to: Bound?) -> PatternNode {
    let low = from?.fraction ?? []
    let isLowOpen = from?.isExclusive ?? false
    var choices: [PatternNode] = []
    let allowsZero = low.isEmpty && !isLowOpen && !(to.map { $0.fraction.isEmpty && $0.isExclusive } ?? false)
    if allowsZero { choices.append(.empty) }
    let tail = tail(low[...], isLowOpen, to.map { $0.fraction[...] }, to?.isExclusive ?? false, length: 0)
    choices.append(.sequence([literal([0x2E]), tail]))
    return .choice(choices)
  }

  /// Fraction digits (at least one in all) between two fractions; `high` nil is unbounded.
  private static func tail(
    _ low: ArraySlice<UInt8>, _ isLowOpen: Bool, _ high: ArraySlice<UInt8>?, _ isHighOpen: Bool, length: Int
  ) -> PatternNode {
    let room = max(fractionDigits - length, 0)
    if low.isEmpty, !isLowOpen, high == nil { return .loop(digit, least: length == 0 ? 1 : 0, most: room) }
    guard room > 0 || !low.isEmpty || !(high?.isEmpty ?? true) else { return never }
    var choices: [PatternNode] = []
    // Stopping here means a value equal to the digits so far.
    let canStop = length > 0 && low.isEmpty && !isLowOpen && !(high.map { $0.isEmpty && isHighOpen } ?? false)
    if canStop { choices.append(.empty) }
    let limit = fractionDigits + low.count + (high?.count ?? 0)
    guard length < limit else { return choices.isEmpty ? never : .choice(choices) }
    let lowDigit = low.first ?? 0x30
    let highDigit = high.map { $0.first ?? 0x30 }
    func next(_ low: ArraySlice<UInt8>, _ isLowOpen: Bool, _ high: ArraySlice<UInt8>?) -> PatternNode {
      tail(low, isLowOpen, high, isHighOpen, length: length + 1)
    }
    // A bound whose digits are used up stands for zeros from here on.
    if let highDigit {
      if lowDigit == highDigit {
        choices.append(.sequence([digits(lowDigit, lowDigit), next(low.dropFirst(), isLowOpen, high?.dropFirst())]))
      } else if lowDigit < highDigit {
        choices.append(.sequence([digits(lowDigit, lowDigit), next(low.dropFirst(), isLowOpen, nil)]))
        if lowDigit + 1 < highDigit {
          choices.append(.sequence([digits(lowDigit + 1, highDigit - 1), next([], false, nil)]))
        }
        choices.append(.sequence([digits(highDigit, highDigit), next([], false, high?.dropFirst())]))
      }
    } else {
      choices.append(.sequence([digits(lowDigit, lowDigit), next(low.dropFirst(), isLowOpen, nil)]))
      if lowDigit < 0x39 { choices.append(.sequence([digits(lowDigit + 1, 0x39), next([], false, nil)])) }
    }
    return choices.isEmpty ? never : .choice(choices)
  }
}
