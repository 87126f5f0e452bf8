/// A moment of the wall clock, in whole milliseconds, as APIs tell it.
package struct Timestamp: Sendable, Hashable, Comparable {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// - Parameter time: The time since 1970-01-01T00:00:00Z.
    package init(sinceEpoch time: Duration) {
        self.init(milliseconds: time.milliseconds)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, such as `2026-11-24T02:32:45.546Z`.
    package var description: String {
        let (seconds, fraction) = milliseconds.flooredDivision(by: 1000)
        let (days, second) = seconds.flooredDivision(by: 86400)
        let (year, month, day) = Self.date(ofDay: days)
        // RFC 3339 has years of four digits, as have our clocks.
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func append(_ value: Int64, unit: Int64, then end: Unicode.Scalar) {
            var unit = unit
            while unit > 0 {
                text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: (value / unit % 10).magnitude))
                unit /= 10
            }
            text.append(UInt8(ascii: end))
        }
        append(year, unit: 1000, then: "-")
        append(month, unit: 10, then: "-")
        append(day, unit: 10, then: "T")
        append(second / 3600, unit: 10, then: ":")
        append(second / 60 % 60, unit: 10, then: ":")
        append(second % 60, unit: 10, then: ".")
        append(fraction, unit: 100, then: "Z")
        return String(decoding: text, as: UTF8.self)
    }

    /// The Gregorian date a number of days after 1970-01-01, by eras of 400 years that begin in March, so that the leap
    /// day is the last of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    private static func date(ofDay days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
