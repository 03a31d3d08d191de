// SPDX-License-Identifier: Apache-2.0

/// A study file as a tree, before anything knows what the keys mean; YAML and JSON both become this.
struct SettingNode: Equatable, Sendable {
    indirect enum Value: Equatable, Sendable {
        /// A number, a name, `true`, `null`: text without quotation marks.
        case plain(String)
        /// Text in quotation marks.
        case text(String)
        case list([SettingNode])
        case mapping([Entry])
    }

    struct Entry: Equatable, Sendable {
        var key: String
        var line: Int?
        var value: SettingNode
    }

    var value: Value
    var line: Int?

    static func plain(_ value: some CustomStringConvertible) -> SettingNode { SettingNode(value: .plain(value.description)) }
    static func text(_ value: String) -> SettingNode { SettingNode(value: .text(value)) }
    static func list(_ values: [SettingNode]) -> SettingNode { SettingNode(value: .list(values)) }

    static func mapping(_ entries: KeyValuePairs<String, SettingNode>) -> SettingNode {
        SettingNode(value: .mapping(entries.map { Entry(key: $0.key, value: $0.value) }))
    }

    var isNull: Bool { [.plain(""), .plain("~"), .plain("null"), .plain("Null"), .plain("NULL")].contains(value) }
}

extension SettingNode: Codable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Key.self) {
            let keys = container.allKeys.sorted { $0.stringValue < $1.stringValue }
            value = .mapping(try keys.map { Entry(key: $0.stringValue, value: try container.decode(SettingNode.self, forKey: $0)) })
        } else if var container = try? decoder.unkeyedContainer() {
            var items = [SettingNode]()
            while !container.isAtEnd { items.append(try container.decode(SettingNode.self)) }
            value = .list(items)
        } else {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                value = .plain("null")
            } else if let text = try? container.decode(String.self) {
                value = .text(text)
            } else if let flag = try? container.decode(Bool.self) {
                value = .plain("\(flag)")
            } else if let number = try? container.decode(Int64.self) {
                value = .plain("\(number)")
            } else if let number = try? container.decode(UInt64.self) {
                value = .plain("\(number)")
            } else {
                value = .plain("\(try container.decode(Double.self))")
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch value {
        case .mapping(let entries):
            var container = encoder.container(keyedBy: Key.self)
            for entry in entries { try container.encode(entry.value, forKey: Key(stringValue: entry.key)) }
        case .list(let items):
            var container = encoder.unkeyedContainer()
            for item in items { try container.encode(item) }
        case .text(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .plain(let text):
            var container = encoder.singleValueContainer()
            if let number = Int64(text) {
                try container.encode(number)
            } else if let number = UInt64(text) {
                try container.encode(number)
            } else if let number = Double(text), number.isFinite {
                try container.encode(number)
            } else {
                try container.encode(text)
            }
        }
    }
}
