// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelFiles

/// The special tokens that a tokenizer folder declares, in any of the ways that transformers has written them.
///
/// Older folders give them in `tokenizer_config.json` and `special_tokens_map.json` (which wins), as a string or as an object
/// with a `content`; newer ones list them in `added_tokens_decoder` too. What applies is what transformers 5 makes of the files.
struct SpecialTokens: Sendable {
    struct Token: Sendable {
        let content: String
        /// Whether it is looked for in the normalised text rather than in the text as written.
        let isNormalized: Bool
    }

    private(set) var startOfText = "<|startoftext|>"
    private(set) var endOfText = "<|endoftext|>"
    private(set) var unknown = "<|endoftext|>"
    private(set) var padding = "<|endoftext|>"
    /// Every token to be recognised in text, in the order in which new ones get ids.
    private(set) var all: [Token] = []

    init(folder: String) throws(ModelFileError) {
        let configPath = folder + "/tokenizer_config.json"
        let config = try Self.readIfPresent(configPath)
        var declared = config
        var source = configPath
        if case .object(let listed)? = config?["added_tokens_decoder"] {
            for member in listed.sorted(by: { Int($0.key) ?? 0 < Int($1.key) ?? 0 }) {
                try add(member.value, normalizedByDefault: true, from: configPath)
            }
        } else {
            source = folder + "/special_tokens_map.json"
            declared = try Self.merge(config, Self.readIfPresent(source))
            try addLegacyTokens(folder + "/added_tokens.json", declared)
        }
        let listed = Set(all.map(\.content))
        try adopt("bos_token", \.startOfText, declared, listed, source)
        try adopt("eos_token", \.endOfText, declared, listed, source)
        try adopt("unk_token", \.unknown, declared, listed, source)
        for key in ["sep_token", "pad_token", "cls_token", "mask_token"] {
            if key == "pad_token" {
                try adopt(key, \.padding, declared, listed, source)
            } else if let value = declared?[key], value != .null {
                try add(value, unlessIn: listed, from: source)
            }
        }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            guard case .array(let values)? = declared?[key] else { continue }
            for value in values { try add(value, unlessIn: Set(all.map(\.content)), from: source) }
        }
    }

    private mutating func adopt(
        _ key: String, _ property: WritableKeyPath<SpecialTokens, String>, _ declared: JSONValue?, _ listed: Set<String>, _ path: String
    ) throws(ModelFileError) {
        var value = JSONValue.string(self[keyPath: property])
        if let given = declared?[key], given != .null { value = given }
        self[keyPath: property] = try Self.content(value, path)
        try add(value, unlessIn: listed, from: path)
    }

    /// Adds a declared special token; one declared twice is taken as declared last.
    private mutating func add(_ value: JSONValue, unlessIn listed: Set<String>, from path: String) throws(ModelFileError) {
        guard !listed.contains(try Self.content(value, path)) else { return }
        try add(value, normalizedByDefault: false, from: path)
    }

    private mutating func add(_ value: JSONValue, normalizedByDefault: Bool, from path: String) throws(ModelFileError) {
        let content = try Self.content(value, path)
        guard value["single_word"]?.boolean != true else {
            throw ModelFileError(.unsupported, "special token \(quoted(content)) asks for single_word, which is not supported", path: path)
        }
        // Plain strings are matched as written; objects say.
        let isNormalized = value.text == nil && (value["normalized"]?.boolean ?? normalizedByDefault)
        let token = Token(content: content, isNormalized: isNormalized)
        if let index = all.firstIndex(where: { $0.content == content }) { all[index] = token } else { all.append(token) }
    }

    private mutating func addLegacyTokens(_ path: String, _ declared: JSONValue?) throws(ModelFileError) {
        guard case .object(let members)? = try Self.readIfPresent(path) else { return }
        let keys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
        let special = keys.compactMap { key in declared?[key].flatMap { try? Self.content($0, path) } }
        for member in members.sorted(by: { $0.value.integer ?? 0 < $1.value.integer ?? 0 }) {
            all.append(Token(content: member.key, isNormalized: !special.contains(member.key)))
        }
    }

    private static func content(_ value: JSONValue, _ path: String) throws(ModelFileError) -> String {
        guard let content = value.text ?? value["content"]?.text, !content.isEmpty else {
            throw ModelFileError(.malformed, "has a special token that is neither text nor an object with a content", path: path)
        }
        return content
    }

    /// The members of two objects; where both have a key, the second's.
    private static func merge(_ first: JSONValue?, _ second: JSONValue?) -> JSONValue? {
        guard case .object(let second)? = second else { return first }
        guard case .object(let first)? = first else { return .object(second) }
        return .object(second + first)
    }

    private static func readIfPresent(_ path: String) throws(ModelFileError) -> JSONValue? {
        FileManager.default.fileExists(atPath: path) ? try JSONValue(path: path) : nil
    }
}
