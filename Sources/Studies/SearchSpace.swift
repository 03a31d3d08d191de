// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The values that a search tries for one setting.
enum SearchSpace: Equatable, Sendable {
    /// Numbers of a range; on a logarithmic scale every factor is as likely as every other.
    case real(ClosedRange<Double>, isLogarithmic: Bool, points: Int?)
    case integer(ClosedRange<Int>, isLogarithmic: Bool, points: Int?)
    case choice([SettingNode])

    private static let maximumValues = 10_000

    init(_ setting: Setting, isGrid: Bool) throws {
        let expected = "{log_uniform: [1e-4, 1e-1]}, {uniform: [0, 1]}, {integer: [1, 8]} or {choice: [1, 2, 4]}"
        let section = try setting.section(expected, kind: SearchKeys.space)
        let kinds = ["choice", "integer", "log_uniform", "uniform"].filter { section[$0] != nil }
        guard kinds.count == 1, let values = section[kinds[0]] else {
            throw setting.failure(.outOfRange, "found \(kinds.count) kinds of values, expected \(expected)")
        }
        let points = try section["points"]?.integer(2...Self.maximumValues)
        if let given = section["points"], kinds[0] == "choice" || !isGrid {
            throw given.failure(.outOfRange, "is for the ranges of a grid only; leave it out")
        }
        if let given = section["log"], kinds[0] != "integer" {
            throw given.failure(.outOfRange, "is for integer only; for other numbers write log_uniform")
        }
        switch kinds[0] {
        case "choice": self = .choice(try Self.choices(values))
        case "integer":
            let isLogarithmic = try section["log"]?.flag() ?? false
            self = .integer(try Self.integers(values, from: isLogarithmic ? 1 : 0), isLogarithmic: isLogarithmic, points: points)
        case let kind:
            if isGrid, points == nil {
                throw setting.failure(
                    .outOfRange, "has no \"points\": a grid needs the number of values to take from a range, such as points: 4")
            }
            self = .real(try Self.reals(values, isLogarithmic: kind == "log_uniform"), isLogarithmic: kind == "log_uniform", points: points)
        }
        guard let points, Set((0..<points).map { gridValue($0).text }).count < points else { return }
        throw setting.failure(.outOfRange, "has fewer than \(points) different values in its range; use fewer points")
    }

    private static func choices(_ setting: Setting) throws -> [SettingNode] {
        let items = try setting.list(count: 1...maximumValues, "a list of 1 to \(maximumValues) values")
        let values = try items.map { item in
            if item.node.isNull { throw item.wrongType("a value") }
            return item.node.normalized
        }
        var seen = Set<String>()
        for (item, value) in zip(items, values) where !seen.insert(value.text).inserted {
            throw item.failure(.outOfRange, "\(Text.quoted(value.text)) stands more than once; keep one")
        }
        return values
    }

    private static func integers(_ setting: Setting, from least: Int) throws -> ClosedRange<Int> {
        let ends = try setting.list(count: 2, "two whole numbers such as [1, 8]").map { try $0.integer(least...1_000_000_000) }
        guard ends[0] < ends[1] else {
            throw setting.failure(.outOfRange, "found [\(ends[0]), \(ends[1])], expected the smaller one first")
        }
        return ends[0]...ends[1]
    }

    private static func reals(_ setting: Setting, isLogarithmic: Bool) throws -> ClosedRange<Double> {
        let expected = isLogarithmic ? "a number above 0" : "a number"
        let ends = try setting.list(count: 2, "two numbers such as [1e-4, 1e-1]").map {
            try $0.number(expected) { (!isLogarithmic || $0 > 0) && abs($0) <= 1e100 }
        }
        guard ends[0] < ends[1] else {
            throw setting.failure(.outOfRange, "found [\(ends[0]), \(ends[1])], expected the smaller one first")
        }
        return ends[0]...ends[1]
    }

    /// As the study file writes it.
    var setting: SettingNode {
        func entries(_ kind: String, _ values: [SettingNode], isLogarithmic: Bool = false, points: Int? = nil) -> SettingNode {
            var entries = [SettingNode.Entry(key: kind, value: .list(values))]
            if isLogarithmic { entries.append(.init(key: "log", value: .text("true"))) }
            if let points { entries.append(.init(key: "points", value: .plain(points))) }
            return SettingNode(value: .mapping(entries))
        }
        switch self {
        case .choice(let values): return entries("choice", values)
        case .integer(let range, let isLogarithmic, let points):
            return entries("integer", [.plain(range.lowerBound), .plain(range.upperBound)], isLogarithmic: isLogarithmic, points: points)
        case .real(let range, let isLogarithmic, let points):
            return entries(isLogarithmic ? "log_uniform" : "uniform", [.plain(range.lowerBound), .plain(range.upperBound)], points: points)
        }
    }
}

/// Which value a trial takes.
extension SearchSpace {
    /// How many values a grid takes.
    var gridCount: Int {
        switch self {
        case .choice(let values): values.count
        case .integer(let range, _, let points): points ?? range.count
        case .real(_, _, let points): points ?? 1
        }
    }

    /// The values of a grid in order: those of a list, or from one end of the range to the other in even steps.
    func gridValue(_ index: Int) -> SettingNode {
        switch self {
        case .choice(let values): return values[index]
        case .integer(let range, let isLogarithmic, let points):
            guard let points else { return .plain(range.lowerBound + index) }
            let ends = Double(range.lowerBound)...Double(range.upperBound)
            return .plain(Int(Self.between(ends, isLogarithmic, Double(index) / Double(points - 1)).rounded()))
        case .real(let range, let isLogarithmic, let points):
            guard let points, index > 0 else { return Self.number(range.lowerBound) }
            return index == points - 1
                ? Self.number(range.upperBound)
                : Self.rounded(Self.between(range, isLogarithmic, Double(index) / Double(points - 1)), range)
        }
    }

    /// The value for a uniform number in 0 ..< 1.
    func value(at place: Double) -> SettingNode {
        switch self {
        case .choice(let values): return values[min(values.count - 1, Int(place * Double(values.count)))]
        case .integer(let range, let isLogarithmic, _):
            // Each whole number stands for the numbers that are rounded to it, so that the ends are as likely as the rest.
            let ends = Double(range.lowerBound) - 0.5...Double(range.upperBound) + 0.5
            let value = Int(Self.between(ends, isLogarithmic, place).rounded())
            return .plain(min(max(value, range.lowerBound), range.upperBound))
        case .real(let range, let isLogarithmic, _): return Self.rounded(Self.between(range, isLogarithmic, place), range)
        }
    }

    private static func between(_ range: ClosedRange<Double>, _ isLogarithmic: Bool, _ place: Double) -> Double {
        let (low, high) = (range.lowerBound, range.upperBound)
        return isLogarithmic ? exp(log(low) + place * (log(high) - log(low))) : low + place * (high - low)
    }

    /// Six digits are enough to tell values apart, stay readable, and leave no room for the last bit of somebody's exponential function.
    private static func rounded(_ value: Double, _ range: ClosedRange<Double>) -> SettingNode {
        guard abs(value) > 1e-200 else { return number(min(max(value, range.lowerBound), range.upperBound)) }
        let exponent = 5 - Int(log10(abs(value)).rounded(.down))
        let digits = Int64((value * pow(10, Double(exponent))).rounded())
        let short = Double("\(digits)e\(-exponent)") ?? value
        return number(min(max(short, range.lowerBound), range.upperBound))
    }

    private static func number(_ value: Double) -> SettingNode {
        if let integer = Int64(exactly: value) { return .plain(integer) }
        return SettingNode.plain(value).normalized
    }
}
