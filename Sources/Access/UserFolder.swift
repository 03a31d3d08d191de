// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Where a user's own files are, as the environment says.
package enum UserFolder: String, Sendable {
    case configuration = ".config"
    case data = ".local/share"
    case cache = ".cache"

    private var variable: String {
        switch self {
        case .configuration: "XDG_CONFIG_HOME"
        case .data: "XDG_DATA_HOME"
        case .cache: "XDG_CACHE_HOME"
        }
    }

    /// The folder that `variable` names, else `pseudoword` in the user's folder of this kind.
    ///
    /// `$HOME` counts before what the system knows: services and `nobody` may have no folder of their own.
    package func folder(
        named variable: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> URL {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let folder = value(variable) { return URL(fileURLWithPath: folder) }
        let base = value(self.variable) ?? "\(value("HOME") ?? NSHomeDirectory())/\(rawValue)"
        return URL(fileURLWithPath: base).appendingPathComponent("pseudoword")
    }
}
