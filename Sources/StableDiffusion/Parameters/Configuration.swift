// SPDX-License-Identifier: Apache-2.0
private import Foundation
private import ModelFiles

/// A `config.json` read key by key; a missing or mistyped value is an error that names file and key.
struct Configuration {
    private let path: String
    private let json: JSONValue

    init(path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw ModelError(
                "\(path): not found; expected a Stable Diffusion model folder in diffusers layout (unet, vae, text_encoder, scheduler)")
        }
        self.path = path
        json = try JSONValue(path: path, limit: 1 << 20)
        guard case .object = json else { throw ModelError("\(path): expected a JSON object") }
    }

    private func value(_ key: String) -> JSONValue? {
        if let value = json[key], value != .null { value } else { nil }
    }

    private func wrong(_ key: String, _ expected: String) -> ModelError {
        ModelError("\(path): \(key) should be \(expected)\(value(key) == nil ? ", but it is missing" : "")")
    }

    func integer(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int> = 1...1_000_000) throws -> Int {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw wrong(key, "a whole number")
        }
        guard case .integer(let number) = value, range.contains(number) else {
            throw wrong(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ key: String, default fallback: Double) throws -> Double {
        switch value(key) {
        case nil: return fallback
        case .integer(let number): return Double(number)
        case .number(let number) where number.isFinite: return number
        default: throw wrong(key, "a number")
        }
    }

    func flag(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key) else { return fallback }
        guard let flag = value.boolean else { throw wrong(key, "true or false") }
        return flag
    }

    func text(_ key: String, default fallback: String) throws -> String {
        guard let value = value(key) else { return fallback }
        guard let text = value.text else { throw wrong(key, "a text") }
        return text
    }

    func texts(_ key: String, count: ClosedRange<Int> = 1...16) throws -> [String] {
        guard case .array(let items) = value(key), count.contains(items.count) else { throw wrong(key, "a list of \(count) names") }
        return try items.map { item in
            guard let text = item.text else { throw wrong(key, "a list of names") }
            return text
        }
    }

    /// A list of whole numbers; a single number stands for `repeating` equal ones.
    func integers(_ key: String, repeating count: Int? = nil, default fallback: Int? = nil) throws -> [Int] {
        switch value(key) {
        case .array(let items) where count.map { $0 == items.count } ?? (1...16).contains(items.count):
            return try items.map { item in
                guard case .integer(let number) = item, (1...1_000_000).contains(number) else {
                    throw wrong(key, "a list of whole numbers")
                }
                return number
            }
        case .integer(let number) where (1...1_000_000).contains(number):
            return Array(repeating: number, count: count ?? 1)
        case nil:
            if let fallback, let count { return Array(repeating: fallback, count: count) }
            throw wrong(key, "a list of whole numbers")
        default:
            throw wrong(key, "a whole number or a list of \(count.map(String.init) ?? "1 to 16") of them")
        }
    }

    /// Refuses a setting whose meaning this engine does not implement.
    func require(_ key: String, is expected: String) throws {
        let actual =
            switch value(key) {
            case nil: "null"
            case .string(let text): text
            case .bool(let flag): String(flag)
            case .integer(let number): String(number)
            case .number(let number): String(number)
            default: "a list"
            }
        guard actual == expected || actual == "null" else {
            throw ModelError("\(path): \(key) is \(actual); this version supports \(expected) only")
        }
    }

    func failure(_ message: String) -> ModelError { ModelError("\(path): \(message)") }
}
