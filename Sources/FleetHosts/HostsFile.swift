// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a hosts file, a bundle or a box: one line.
package struct HostsError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// One line of a hosts file: a box that `ssh` reaches, and what shall run there.
package struct HostEntry: Equatable, Sendable {
    package var user: String?
    package var host: String
    package var port: Int?
    /// Nil: one for each NUMA node of the box.
    package var workers: Int?
    package var threads: Int?
    /// What people call the box; its workers are `NAME-1`, `NAME-2` and so on.
    package var name: String

    package init(user: String? = nil, host: String, port: Int? = nil, workers: Int? = nil, threads: Int? = nil, name: String) {
        (self.user, self.host, self.port) = (user, host, port)
        (self.workers, self.threads, self.name) = (workers, threads, name)
    }

    /// What `ssh` takes as its destination.
    package var destination: String { user.map { "\($0)@\(host)" } ?? host }
}

/// The boxes of a fleet, one a line: `[user@]host[:port] [workers=N] [threads=N] [name=NAME]`.
package struct HostsFile: Equatable, Sendable {
    package let entries: [HostEntry]

    package static let maximumBytes = 1 << 20
    package static let maximumWorkers = 256
    package static let maximumThreads = 1024
    /// Leaves room for a worker's number.
    static let maximumNameLength = 56

    /// Reads the text of the file `source`.
    ///
    /// A word that starts with `#` begins a comment. Two lines must not give workers the same name.
    package static func parse(_ text: String, source: String) throws(HostsError) -> HostsFile {
        guard text.utf8.count <= maximumBytes else { throw HostsError("\(source): larger than 1 MiB; is it a list of hosts?") }
        var entries: [HostEntry] = []
        var lineOfName: [String: Int] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            let meaning = words.prefix { !$0.hasPrefix("#") }.map(String.init)
            guard let first = meaning.first else { continue }
            do throws(HostsError) {
                let entry = try self.entry(first, settings: meaning.dropFirst())
                if let other = lineOfName[entry.name] {
                    throw HostsError("\(entry.name) stands in line \(other) already; give one of them another name=")
                }
                lineOfName[entry.name] = index + 1
                entries.append(entry)
            } catch {
                throw HostsError("\(source):\(index + 1): \(error.description)")
            }
        }
        guard !entries.isEmpty else { throw HostsError("\(source): names no host; a line is: [user@]host[:port] [workers=N] [threads=N]") }
        return HostsFile(entries: entries)
    }

    private static func entry(_ destination: String, settings: ArraySlice<String>) throws(HostsError) -> HostEntry {
        var entry = try HostDestination.parse(destination)
        var seen: Set<String> = []
        for setting in settings {
            guard let equals = setting.firstIndex(of: "=") else {
                throw HostsError("\(quoted(setting)) is no setting; expected workers=N, threads=N or name=NAME")
            }
            let key = String(setting[..<equals]), value = String(setting[setting.index(after: equals)...])
            guard seen.insert(key).inserted else { throw HostsError("\(key)= is given twice") }
            switch key {
            case "workers": entry.workers = try number(value, key: key, in: 1...maximumWorkers)
            case "threads": entry.threads = try number(value, key: key, in: 1...maximumThreads)
            case "name": entry.name = value
            default: throw HostsError("\(quoted(key))= is unknown; expected workers=, threads= or name=")
            }
        }
        // Names become file names and arguments on the box.
        guard isName(entry.name), entry.name.utf8.count <= maximumNameLength else {
            throw HostsError(
                "the name \(quoted(entry.name)) must be 1 to \(maximumNameLength) letters, digits, dots, dashes and underscores, and start with a letter or "
                    + "digit; give another with name=")
        }
        return entry
    }

    private static func number(_ value: String, key: String, in range: ClosedRange<Int>) throws(HostsError) -> Int {
        guard let number = Int(value), range.contains(number), value.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }) else {
            throw HostsError("\(key)= takes a number from \(range.lowerBound) to \(range.upperBound), not \(quoted(value))")
        }
        return number
    }

    static func isName(_ text: String) -> Bool {
        let allowed = text.utf8.allSatisfy { isLetterOrDigit($0) || [0x2D, 0x2E, 0x5F].contains($0) }
        return (1...64).contains(text.utf8.count) && allowed && text.utf8.first.map(isLetterOrDigit) ?? false
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// Somebody's text inside a message: one line, not endless, nothing that a terminal obeys.
    static func quoted(_ text: String) -> String {
        let shown = String(text.unicodeScalars.prefix(60).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) })
        return "\"\(shown)\(text.unicodeScalars.count > 60 ? "..." : "")\""
    }
}
