// SPDX-License-Identifier: Apache-2.0

extension SettingNode {
    /// The node as it comes back from JSON: no lines, one spelling for each number, keys in order.
    var normalized: SettingNode {
        switch value {
        case .plain(let text): SettingNode(value: Self.normalized(text), line: nil)
        case .text(let text): .text(text)
        case .list(let items): .list(items.map(\.normalized))
        case .mapping(let entries):
            SettingNode(
                value: .mapping(
                    entries.map { Entry(key: $0.key, value: $0.value.normalized) }.sorted {
                        $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
                    }
                ), line: nil)
        }
    }

    private static func normalized(_ text: String) -> Value {
        guard let number = Setting.number(text), number.isFinite else { return .text(text) }
        if let integer = Int64(text) { return .plain("\(integer)") }
        if let integer = UInt64(text) { return .plain("\(integer)") }
        if let integer = Int64(exactly: number) { return .plain("\(integer)") }
        if let integer = UInt64(exactly: number) { return .plain("\(integer)") }
        return .plain("\(number)")
    }

    /// The value as one would write it on one line.
    var text: String {
        switch value {
        case .plain(let text), .text(let text): text
        case .list(let items): "[" + items.map(\.text).joined(separator: ", ") + "]"
        case .mapping(let entries): "{" + entries.map { "\($0.key): \($0.value.text)" }.joined(separator: ", ") + "}"
        }
    }

    subscript(key: String) -> SettingNode? {
        guard case .mapping(let entries) = value else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// Puts a value at a path of keys; what stands in the way and is no mapping becomes one.
    ///
    /// - Parameter alternatives: keys that are taken away beside the last one of the path.
    mutating func set(_ new: SettingNode, at path: ArraySlice<Substring>, replacing alternatives: [String] = []) {
        guard let key = path.first else {
            self = new
            return
        }
        var entries: [Entry] = []
        if case .mapping(let old) = value { entries = old }
        if path.count == 1 { entries.removeAll { alternatives.contains($0.key) } }
        let place = entries.firstIndex { $0.key == key } ?? entries.count
        if place == entries.count { entries.append(Entry(key: String(key), value: .mapping([:]))) }
        entries[place].value.set(new, at: path.dropFirst(), replacing: alternatives)
        value = .mapping(entries)
    }
}
