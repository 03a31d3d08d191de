// SPDX-License-Identifier: Apache-2.0

/// A moment as `2026-01-31T08:00:00.000Z`, whatever the machine's language and time zone.
struct UTCTime: Equatable {
    /// Since 1970; from the year 1970 to 9999.
    let milliseconds: Int64

    private static let latest: Int64 = 253_402_300_799_999

    init(milliseconds: Int64) { self.milliseconds = min(max(milliseconds, 0), Self.latest) }

    /// Parses a time with or without milliseconds; nil if it is none.
    init?(text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 20 || bytes.count == 24, bytes.last == UInt8(ascii: "Z") else { return nil }
        let pattern = Array("0000-00-00T00:00:00.000".utf8)
        for (byte, wanted) in zip(bytes.dropLast(), pattern) {
            if wanted == UInt8(ascii: "0") {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            } else if byte != wanted {
                return nil
            }
        }
        func number(_ range: Range<Int>) -> Int64 { bytes[range].reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) } }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        let fraction = bytes.count == 24 ? number(20..<23) : 0
        guard year >= 1970, (1...12).contains(month), hour < 24, minute < 60, second < 60 else { return nil }
        let days = Self.days(year, month, day)
        guard day >= 1, Self.date(days) == (year, month, day) else { return nil }
        milliseconds = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + fraction
    }

    var text: String {
        let (days, rest) = milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        let (year, month, day) = Self.date(days)
        func digits(_ value: Int64, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T" + digits(rest / 3_600_000, 2) + ":"
            + digits(rest / 60_000 % 60, 2) + ":" + digits(rest / 1000 % 60, 2) + "." + digits(rest % 1000, 3) + "Z"
    }

    // Years are taken to begin in March, so that the leap day is the last of its year.

    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month > 2 ? year : year - 1
        let m = (month + 9) % 12
        return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468
    }

    private static func date(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        var year = shifted / 366
        while Self.days(year + 1, 3, 1) <= days { year += 1 }
        let dayOfYear = days - Self.days(year, 3, 1)
        let m = (5 * dayOfYear + 2) / 153
        return (m < 10 ? year : year + 1, m < 10 ? m + 3 : m - 9, dayOfYear - (153 * m + 2) / 5 + 1)
    }
}
