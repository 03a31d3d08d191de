// SPDX-License-Identifier: Apache-2.0

import Yams

/// Turns YAML text into a tree of settings.
enum YAMLReader {
    /// A study file is a page of text; more than this is none.
    static let maximumBytes = 1 << 20

    static func read(_ yaml: String, source: String) throws -> SettingNode {
        func failure(_ line: Int?, _ message: String) -> StudyError { StudyError(.notYAML, source: source, line: line, message) }
        guard yaml.utf8.count <= maximumBytes else {
            throw StudyError(.tooLarge, source: source, "has \(yaml.utf8.count) bytes, expected at most \(maximumBytes)")
        }
        if let line = lineOfAlias(in: yaml) {
            throw StudyError(.unsupported, source: source, line: line, "YAML anchors and aliases are not supported; write the value out")
        }
        do {
            guard let root = try Parser(yaml: yaml, encoding: .utf8).singleRoot() else {
                throw failure(nil, "the file is empty, expected a study such as \"study: teal-heart\"")
            }
            return try node(root, source: source)
        } catch let error as YamlError {
            throw translated(error, yaml: yaml, source: source)
        }
    }

    /// Finds the first alias whose anchor stands before it.
    ///
    /// Aliases must be refused before the parser sees them: it copies and hashes what they stand for, which a few lines of nested aliases
    /// turn into hours of work. Text in quotation marks is searched too; it takes both `&name` and `*name` there to be refused wrongly.
    private static func lineOfAlias(in yaml: String) -> Int? {
        var anchors = Set<[UInt8]>()
        var line = 1
        var previous = UInt8(ascii: "\n")
        let bytes = Array(yaml.utf8)
        for (index, byte) in bytes.enumerated() {
            let startsToken = [0x20, 0x09, 0x0A, 0x0D, 0x5B, 0x7B, 0x2C, 0x3A].contains(previous)
            if startsToken, byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") {
                let name = Array(bytes[(index + 1)...].prefix { isAnchorLetter($0) }.prefix(1024))
                if byte == UInt8(ascii: "&"), !name.isEmpty { anchors.insert(name) }
                if byte == UInt8(ascii: "*"), anchors.contains(name) { return line }
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
            previous = byte
        }
        return nil
    }

    private static func isAnchorLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func node(_ node: Node, source: String) throws -> SettingNode {
        let line = node.mark?.line
        switch node {
        case .scalar(let scalar):
            return SettingNode(value: scalar.style == .plain ? .plain(scalar.string) : .text(scalar.string), line: line)
        case .sequence(let items):
            return SettingNode(value: .list(try items.map { try YAMLReader.node($0, source: source) }), line: line)
        case .mapping(let pairs):
            let entries = try pairs.map { key, value in
                guard case .scalar(let name) = key else {
                    throw StudyError(.wrongType, source: source, line: key.mark?.line, "a key is a list or a mapping, expected a name")
                }
                return SettingNode.Entry(key: name.string, line: key.mark?.line, value: try YAMLReader.node(value, source: source))
            }
            return SettingNode(value: .mapping(entries), line: line)
        case .alias:
            throw StudyError(.unsupported, source: source, line: line, "YAML aliases are not supported; write the value out")
        }
    }

    private static func translated(_ error: YamlError, yaml: String, source: String) -> StudyError {
        func failure(_ line: Int?, _ problem: String) -> StudyError {
            StudyError(.notYAML, source: source, line: line, "not valid YAML: \(Text.oneLine(problem))")
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if isIndentedByTab(line: mark.line, yaml) { return failure(mark.line, "a tab indents this line; use spaces") }
            let place = context.map { " \($0.text)" } ?? ""
            let hint = place.contains("alias") ? "; put text that begins with * in quotation marks" : ""
            return failure(mark.line, problem + place + hint)
        case .reader(let problem, let offset, _, _):
            return failure(offset.map { yaml.prefix($0).count { $0.isNewline } + 1 }, problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let key = dottedKey(at: context.mark, in: yaml) ?? duplicates.first ?? ""
            return StudyError(.duplicateKey, source: source, line: context.mark.line, key: key, "stands more than once; keep one")
        default:
            return failure(nil, "\(error)")
        }
    }

    /// Where a duplicate key belongs: the parser tells only its place, so this marks the key, reads again and looks for the mark.
    private static func dottedKey(at place: Mark, in yaml: String) -> String? {
        let stamp = "marked-duplicate-"
        var lines = yaml.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0) }
        guard lines.indices.contains(place.line - 1), lines[place.line - 1].indices.contains(place.column - 1) else { return nil }
        let isQuoted = ["\"", "'"].contains(lines[place.line - 1][place.column - 1])
        lines[place.line - 1].insert(contentsOf: stamp.unicodeScalars, at: place.column - (isQuoted ? 0 : 1))
        var marked = String.UnicodeScalarView()
        for line in lines { marked += line + ["\n"] }
        guard let root = try? Parser(yaml: String(marked), encoding: .utf8).singleRoot(), let tree = try? node(root, source: "") else {
            return nil
        }
        func search(_ node: SettingNode, _ path: String) -> String? {
            guard case .mapping(let entries) = node.value else { return nil }
            for entry in entries {
                if entry.key.hasPrefix(stamp) { return StudyKeys.dotted(path, String(entry.key.dropFirst(stamp.count))) }
                if let found = search(entry.value, StudyKeys.dotted(path, entry.key)) { return found }
            }
            return nil
        }
        return search(tree, "")
    }

    private static func isIndentedByTab(line: Int, _ yaml: String) -> Bool {
        guard let text = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).dropFirst(line - 1).first else {
            return false
        }
        return text.prefix(while: \.isWhitespace).contains("\t")
    }
}
