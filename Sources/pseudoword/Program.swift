// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Tensors

/// What the program says of itself and of the machine it runs on.
enum Program {
    static let version = "0.1.0"
    static let name = "pseudoword \(version)"

    /// The kind of CPU and the settings that the bits of a result depend on.
    ///
    /// Threads are not among them.
    static var computeDescription: String { "\(processor); \(Compute.description)" }

    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line.flatMap { $0.split(separator: ":").last }.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor"
    }

    static func logger(_ label: String, level: Logger.Level = .info) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level
        return logger
    }
}
