// SPDX-License-Identifier: Apache-2.0

/// One node of a study with its place, read as the type that is expected there.
struct Setting {
    let node: SettingNode
    /// The dotted key, "" for the whole file.
    let path: String
    let source: String

    func failure(_ code: StudyError.Code, _ message: String) -> StudyError {
        StudyError(code, source: source, line: node.line, key: path.isEmpty ? nil : path, message)
    }

    func wrongType(_ expected: String) -> StudyError { failure(.wrongType, "found \(found), expected \(expected)") }

    func outOfRange(_ expected: String) -> StudyError { failure(.outOfRange, "found \(found), expected \(expected)") }

    private var found: String {
        if node.isNull { return "nothing" }
        switch node.value {
        case .plain(let text), .text(let text): return Text.quoted(text)
        case .list: return "a list"
        case .mapping: return "a mapping"
        }
    }

    /// The text of a scalar, with or without quotation marks; nil for lists, mappings and nothing.
    var scalar: String? {
        switch node.value {
        case .plain(let text): node.isNull ? nil : text
        case .text(let text): text
        case .list, .mapping: nil
        }
    }

    var isMapping: Bool {
        if case .mapping = node.value { return true }
        return false
    }

    func text(_ expected: String = "text") throws -> String {
        guard let text = scalar else { throw wrongType(expected) }
        guard !text.unicodeScalars.contains("\0") else { throw failure(.outOfRange, "has a zero byte") }
        return text
    }

    func integer(_ range: ClosedRange<Int>) throws -> Int {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .plain(let text) = node.value, Setting.isInteger(text) else { throw wrongType(expected) }
        guard let value = Int(text), range.contains(value) else { throw outOfRange(expected) }
        return value
    }

    func unsigned() throws -> UInt64 {
        let expected = "a whole number from 0 to \(UInt64.max)"
        guard case .plain(let text) = node.value, Setting.isInteger(text) else { throw wrongType(expected) }
        guard let value = UInt64(text) else { throw outOfRange(expected) }
        return value
    }

    func number(_ expected: String, where isAllowed: (Double) -> Bool) throws -> Double {
        guard case .plain(let text) = node.value, let value = Setting.number(text) else { throw wrongType(expected) }
        guard value.isFinite, isAllowed(value) else { throw outOfRange(expected) }
        return value
    }

    func flag() throws -> Bool {
        switch try text("true or false") {
        case "true": return true
        case "false": return false
        default: throw outOfRange("true or false")
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_: Choice.Type) throws -> Choice where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue)
        let expected = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
        guard let choice = Choice(rawValue: try text(expected)) else { throw outOfRange(expected) }
        return choice
    }

    /// The items of a list of exactly this length.
    func list(count: Int, _ expected: String) throws -> [Setting] { try list(count: count...count, expected) }

    /// The items of a list whose length is in the range.
    func list(count: ClosedRange<Int>, _ expected: String) throws -> [Setting] {
        guard case .list(let items) = node.value else { throw wrongType(expected) }
        guard count.contains(items.count) else { throw failure(.outOfRange, "found a list of \(items.count), expected \(expected)") }
        return items.enumerated().map { Setting(node: $1, path: "\(path)[\($0)]", source: source) }
    }

    /// The entries of a mapping, whose keys must all be known and stand once.
    ///
    /// - Parameter kind: the section of `StudyKeys` that lists them; nil: the one of this setting's own name.
    func section(_ expected: String = "a mapping", kind: String? = nil) throws -> Section {
        let kind = kind ?? path
        if node.isNull { return Section(setting: self, entries: [:]) }
        guard case .mapping(let entries) = node.value else { throw wrongType(expected) }
        var settings = [String: Setting]()
        let known = StudyKeys.sections[kind] ?? []
        for entry in entries {
            let dotted = StudyKeys.dotted(path, entry.key)
            let line = entry.line ?? node.line
            guard known.contains(entry.key) else { throw unknownKey(entry.key, line: line, kind: kind) }
            guard settings[entry.key] == nil else {
                throw StudyError(.duplicateKey, source: source, line: line, key: dotted, "stands more than once; keep one")
            }
            var value = entry.value
            value.line = value.line ?? line
            settings[entry.key] = Setting(node: value, path: dotted, source: source)
        }
        return Section(setting: self, entries: settings)
    }

    private func unknownKey(_ key: String, line: Int?, kind: String) -> StudyError {
        let dotted = StudyKeys.dotted(path, key)
        func failure(_ code: StudyError.Code, _ message: String) -> StudyError {
            StudyError(code, source: source, line: line, key: dotted, message)
        }
        if let advice = StudyKeys.later[dotted] { return failure(.unsupported, "not supported by this version; \(advice)") }
        if kind == SearchKeys.parameters, let reason = SearchKeys.refusal(of: key) { return failure(.unsupported, reason) }
        return failure(.unknownKey, "unknown key, did you mean \"\(StudyKeys.nearest(to: key, in: kind, at: path))\"?")
    }

    private static func isInteger(_ text: String) -> Bool {
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        return !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// A decimal number as YAML and JSON write it: no hexadecimal, no "nan", no white space.
    static func number(_ text: some StringProtocol) -> Double? {
        guard text.utf8.contains(where: { (0x30...0x39).contains($0) }), text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) })
        else { return nil }
        return Double(text)
    }
}

/// A mapping of the study with its known keys.
struct Section {
    let setting: Setting
    let entries: [String: Setting]

    subscript(key: String) -> Setting? { entries[key] }

    func required(_ key: String, _ expected: String) throws -> Setting {
        if let found = entries[key] { return found }
        let dotted = StudyKeys.dotted(setting.path, key)
        throw StudyError(
            .missingKey, source: setting.source, line: setting.path.isEmpty ? nil : setting.node.line, key: dotted,
            "missing, expected \(expected)")
    }

    /// A section that may be left out: then all its keys have their defaults.
    func section(_ key: String) throws -> Section {
        let missing = Setting(
            node: SettingNode(value: .mapping([]), line: nil), path: StudyKeys.dotted(setting.path, key), source: setting.source)
        return try (entries[key] ?? missing).section()
    }
}
