// SPDX-License-Identifier: Apache-2.0

/// Which hyperparameters the trials of a study try, and how they are chosen.
package struct SearchSettings: Equatable, Sendable {
    package enum Method: String, CaseIterable, Equatable, Sendable {
        /// Every combination of the values, in a fixed order.
        case grid
        /// Independent draws.
        case random
    }

    package struct Parameter: Equatable, Sendable {
        /// The dotted key, `training.learning_rate`.
        package let key: String
        let space: SearchSpace
    }

    package static let maximumTrials = 10_000

    package let method: Method
    /// Nil: every combination of a grid.
    package let trials: Int?
    /// In byte order of the keys: the order in the file says nothing.
    package let parameters: [Parameter]

    /// How many trials there are.
    package var trialCount: Int { trials ?? combinations }

    /// The number of a grid's combinations, never more than `Int.max`.
    private var combinations: Int {
        parameters.reduce(1) { product, parameter in
            let (value, overflow) = product.multipliedReportingOverflow(by: parameter.space.gridCount)
            return overflow ? .max : value
        }
    }

    init(_ section: Section) throws {
        method = try Self.method(section.required("method", "grid or random"))
        let setting = try section.required("parameters", "a mapping of keys such as \"training.learning_rate\" to their values")
        let known = try setting.section("a mapping of keys such as \"training.learning_rate\"", kind: SearchKeys.parameters)
        let keys = known.entries.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !keys.isEmpty else {
            throw setting.failure(.outOfRange, "has no key, expected at least one such as \"training.learning_rate\"")
        }
        if let (key, other) = SearchKeys.conflict(in: keys) {
            throw (known[key] ?? setting).failure(.outOfRange, "is searched together with \"\(other)\", which it would overwrite; keep one")
        }
        parameters = try keys.compactMap { [method] key in
            try known[key].map { Parameter(key: key, space: try SearchSpace($0, isGrid: method == .grid)) }
        }
        trials = try section["trials"]?.integer(1...Self.maximumTrials)
        try checkCount(section)
    }

    private static func method(_ setting: Setting) throws -> Method {
        let name = try setting.text("grid or random")
        guard !["sobol", "tpe"].contains(name) else {
            throw setting.failure(.unsupported, "\"\(name)\" is not supported by this version; use grid or random")
        }
        return try setting.choice(Method.self)
    }

    private func checkCount(_ section: Section) throws {
        switch (method, trials) {
        case (.random, nil): _ = try section.required("trials", "a whole number from 1 to \(Self.maximumTrials)")
        case (.random, _): break
        case (.grid, let trials?) where trials > combinations:
            throw (section["trials"] ?? section.setting).failure(
                .outOfRange, "found \"\(trials)\", but the grid has only \(combinations) combinations; leave it out to try all")
        case (.grid, nil) where combinations > Self.maximumTrials:
            let count = combinations == .max ? "too many" : "\(combinations)"
            throw section.setting.failure(
                .outOfRange,
                "the grid has \(count) combinations, expected at most \(Self.maximumTrials); use fewer values or method: random")
        case (.grid, _): break
        }
    }

    /// As the study file writes it.
    var setting: SettingNode {
        var entries = [SettingNode.Entry(key: "method", value: .text(method.rawValue))]
        if let trials { entries.append(.init(key: "trials", value: .plain(trials))) }
        let spaces = parameters.map { SettingNode.Entry(key: $0.key, value: $0.space.setting) }
        entries.append(.init(key: "parameters", value: SettingNode(value: .mapping(spaces))))
        return SettingNode(value: .mapping(entries))
    }

    /// The value of each parameter in a trial.
    ///
    /// In a grid the last key changes fastest. A draw depends on the trial and the key alone, so one more parameter changes no other.
    /// - Parameter draw: a uniform number in 0 ..< 1 for a key.
    func values(trial: Int, draw: (_ key: String) -> Double) -> [(key: String, value: SettingNode)] {
        switch method {
        case .random:
            return parameters.map { ($0.key, $0.space.value(at: draw($0.key))) }
        case .grid:
            var rest = trial
            return parameters.reversed().map { parameter in
                let (quotient, place) = rest.quotientAndRemainder(dividingBy: parameter.space.gridCount)
                rest = quotient
                return (parameter.key, parameter.space.gridValue(place))
            }.reversed()
        }
    }

    /// The same search with other values where a choice lists paths.
    func mappingChoices(of key: String, _ change: (SettingNode) -> SettingNode) -> SearchSettings {
        SearchSettings(
            method: method, trials: trials,
            parameters: parameters.map { parameter in
                guard parameter.key == key, case .choice(let values) = parameter.space else { return parameter }
                return Parameter(key: key, space: .choice(values.map(change)))
            })
    }

    private init(method: Method, trials: Int?, parameters: [Parameter]) {
        self.method = method
        self.trials = trials
        self.parameters = parameters
    }
}
