// SPDX-License-Identifier: Apache-2.0
import Foundation

/// libFuzzer around the parsers that read what strangers send: `fuzz TARGET [LIBFUZZER OPTION | CORPUS FOLDER ...]`.
///
/// Not part of the ordinary build; `scripts/fuzz` builds and runs it.
@main
struct Fuzz {
    /// Each takes any bytes at all and traps if the parser breaks a promise.
    static let targets: [String: @Sendable (Data) -> Void] = [
        "blob-messages": fuzzBlobMessages, "envelopes": fuzzEnvelopes, "manifests": fuzzManifests,
    ]

    nonisolated(unsafe) fileprivate static var target: @Sendable (Data) -> Void = { _ in }

    static func main() {
        // libFuzzer starts this program again for some of its jobs, with its own options only.
        let variable = "PSEUDOWORD_FUZZ_TARGET"
        var options = CommandLine.arguments.dropFirst()
        if let name = options.first, targets[name] != nil {
            setenv(variable, name, 1)
            options.removeFirst()
        }
        guard let name = ProcessInfo.processInfo.environment[variable], let chosen = targets[name] else {
            FileHandle.standardError.write(Data("usage: fuzz \(targets.keys.sorted().joined(separator: "|")) [OPTION ...]\n".utf8))
            exit(2)
        }
        target = chosen
        var arguments = (CommandLine.arguments.prefix(1) + options).map { strdup($0) }
        var count = Int32(arguments.count)
        arguments.append(nil)
        let code = arguments.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            return runDriver(&count, &start, testOneInput)
        }
        exit(code)
    }
}

/// What libFuzzer calls; the name is its own, and its library cannot be linked without.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ length: Int) -> Int32 {
    Fuzz.target(bytes.map { Data(bytes: $0, count: length) } ?? Data())
    return 0
}

/// libFuzzer's own entry; see LLVM's documentation, "Using libFuzzer as a library".
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
