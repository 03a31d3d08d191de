// SPDX-License-Identifier: Apache-2.0

/// What a box says of itself and of the workers that were started there.
///
/// Everything in it comes from the box, so every word is checked; a login that prints greetings does not disturb it.
package struct BoxReport: Equatable, Sendable {
    package var system = "", machine = ""
    package var glibc: GlibcVersion?
    package var processors = 1
    /// The NUMA nodes with the processors that the login may use.
    package var nodes: [ProcessorNode] = []
    package var freeKilobytes: Int?
    /// This side's address as the box sees it.
    package var clientAddress: String?
    package var hasProgram = false
    package var missingTools: [String] = []
    package var workers: [Worker] = []

    /// A worker's folder on the box.
    package struct Worker: Equatable, Sendable {
        package let name: String
        /// Its process, nil if it does not run.
        package let process: Int?
        /// The digest of the bundle that it was started from.
        package let program: String
        /// The coordinator it last belonged to, if it has a key for it.
        package let coordinator: String?

        /// The same worker after its process has ended.
        package var stopped: Worker { Worker(name: name, process: nil, program: program, coordinator: coordinator) }
    }

    package init() {}

    package static func parse(_ output: String) throws(HostsError) -> BoxReport {
        var report = BoxReport(), isComplete = false
        var nodes: [(number: Int, list: String)] = [], allowed = ""
        for line in RemoteLine.all(in: output) {
            let text = line.rest
            switch line.word {
            case "system": report.system = text
            case "machine": report.machine = text
            case "glibc": report.glibc = GlibcVersion(text)
            case "processors": report.processors = Int(text).map { min(max($0, 1), HostsFile.maximumThreads) } ?? 1
            case "node":
                let words = text.split(separator: " ")
                if words.count == 2, nodes.count < HostsFile.maximumWorkers, let number = Int(words[0]), number >= 0 {
                    nodes.append((number, String(words[1])))
                }
            case "allowed": allowed = text
            case "free": report.freeKilobytes = Int(text)
            case "client": report.clientAddress = text.isEmpty ? nil : text
            case "program": report.hasProgram = text == "yes"
            case "lacks": report.missingTools.append(text)
            case "worker": if let worker = Worker(line.values) { report.workers.append(worker) }
            case "end": isComplete = true
            default: break
            }
        }
        report.nodes = ProcessorNode.usable(nodes, allowed: allowed)
        guard isComplete else { throw HostsError("the box gave no full answer; is its login shell a usual one?") }
        return report
    }
}

extension BoxReport.Worker {
    init?(_ values: [String: String]) {
        guard let name = values["name"], HostsFile.isName(name) else { return nil }
        let coordinator = values["coordinator"] ?? ""
        self.init(
            name: name, process: values["process"].flatMap(Int.init), program: values["program"] ?? "",
            coordinator: coordinator.isEmpty ? nil : coordinator)
    }
}

/// What the start script says of one worker.
package enum StartReport: Equatable, Sendable {
    case runs(name: String, process: Int)
    case started(name: String, process: Int)
    case ended(name: String, lastWords: String)

    package static func parse(_ output: String) -> [StartReport] {
        RemoteLine.all(in: output).compactMap { line in
            let values = line.values
            guard let name = values["name"], HostsFile.isName(name) else { return nil }
            switch (line.word, values["process"].flatMap(Int.init)) {
            case ("runs", .some(let process)): return .runs(name: name, process: process)
            case ("started", .some(let process)): return .started(name: name, process: process)
            case ("ended", _): return .ended(name: name, lastWords: line.text(after: "log="))
            default: return nil
            }
        }
    }
}

/// What the stop script says of one worker.
package struct StopReport: Equatable, Sendable {
    package enum Ending: String, Sendable { case gone, drained, killed }

    package let name: String
    package let ending: Ending

    package init(name: String, ending: Ending) { (self.name, self.ending) = (name, ending) }

    package static func parse(_ output: String) -> [StopReport] {
        RemoteLine.all(in: output).compactMap { line in
            let values = line.values
            guard line.word == "stopped", let name = values["name"], HostsFile.isName(name),
                let ending = values["how"].flatMap(Ending.init)
            else { return nil }
            return StopReport(name: name, ending: ending)
        }
    }
}

/// A line of a script that is meant for us: `pseudoword: WORD REST`.
package struct RemoteLine {
    let word: String
    /// Printable, and not endless.
    let rest: String

    static func all(in output: String) -> [RemoteLine] {
        output.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.hasPrefix("pseudoword: ") else { return nil }
            let scalars = line.dropFirst(12).unicodeScalars.prefix(600)
            let text = String(scalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) })
            let parts = text.split(separator: " ", maxSplits: 1)
            guard let word = parts.first else { return nil }
            return RemoteLine(word: String(word), rest: parts.count > 1 ? String(parts[1]) : "")
        }
    }

    /// Its words of the form `key=value`.
    var values: [String: String] {
        var values: [String: String] = [:]
        for word in rest.split(separator: " ") {
            guard let equals = word.firstIndex(of: "="), values[String(word[..<equals])] == nil else { continue }
            values[String(word[..<equals])] = String(word[word.index(after: equals)...])
        }
        return values
    }

    func text(after key: String) -> String {
        guard let range = rest.firstRange(of: key) else { return "" }
        return String(rest[range.upperBound...])
    }

    /// What a script says when it gives up.
    package static func complaint(in output: String) -> String? { all(in: output).last { $0.word == "error" }?.rest }
}
