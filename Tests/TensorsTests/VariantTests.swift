// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The processor's variant is chosen once in a process, so each is checked in a process of its own.
@Suite(.serialized) struct VariantTests {
    private struct Report: Decodable {
        let cpu: String
        let cases: Int, checks: Int
        let failures: [String]
    }

    /// A processor that lacks a variant falls back to the best it has; then this checks that one again.
    @Test(arguments: ["baseline", "avx2", "avx512", "avx512bf16"])
    func everyVariantAgreesWithTheReferences(_ variant: String) throws {
        let (status, output) = try run(["--json", "--threads", "2"], environment: ["PSEUDOWORD_CPU": variant])
        let report = try JSONDecoder().decode(Report.self, from: output)
        #expect(report.failures.isEmpty)
        #expect(status == 0)
        #expect(report.cases > 100 && report.checks > 300)
        if variant == "baseline" { #expect(report.cpu == "baseline") }
        if variant == "avx2" { #expect(!report.cpu.hasPrefix("avx512")) }
    }

    /// Every way to multiply and to convolve gives what the references give, whichever is taken by default.
    @Test(arguments: [
        ["PSEUDOWORD_BACKEND": "blas"], ["PSEUDOWORD_BACKEND": "blas", "PSEUDOWORD_WINOGRAD": "off"],
        ["PSEUDOWORD_BACKEND": "onednn"], ["PSEUDOWORD_BACKEND": "onednn", "PSEUDOWORD_WINOGRAD": "off"],
        ["PSEUDOWORD_BACKEND": "onednn", "PSEUDOWORD_CONVOLUTION": "direct", "PSEUDOWORD_WINOGRAD": "off"],
        ["PSEUDOWORD_WINOGRAD": "off"], ["PSEUDOWORD_WINOGRAD": "all", "PSEUDOWORD_MEMORY": "lean"],
    ])
    func everyWayAgreesWithTheReferences(_ settings: [String: String]) throws {
        let (status, output) = try run(["--json", "--threads", "2"], environment: settings)
        let report = try JSONDecoder().decode(Report.self, from: output)
        #expect(report.failures.isEmpty && status == 0)
        let hasOneDNN = report.cpu.contains("oneDNN")
        for (name, value) in settings where name != "PSEUDOWORD_MEMORY" && (hasOneDNN || !["onednn", "direct"].contains(value)) {
            #expect(report.cpu.contains(value), "\(report.cpu) does not say \(value)")
        }
    }

    @Test(arguments: [["--threads", "0"], ["--filter", "no such case"], ["--times", "1"]])
    func wrongArgumentsAreUsageErrors(_ arguments: [String]) throws {
        #expect(try run(arguments, environment: [:]).status == 64)
    }

    private func run(_ arguments: [String], environment: [String: String]) throws -> (status: Int32, output: Data) {
        let process = Process(), pipe = Pipe()
        process.executableURL = try executable()
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    /// Built beside the bundle of the tests.
    private func executable() throws -> URL {
        let folders = CommandLine.arguments.prefix(1).map { URL(fileURLWithPath: $0).deletingLastPathComponent() } + [Bundle.main.bundleURL]
        let found = folders.map { $0.appendingPathComponent("operation-check") }.first {
            FileManager.default.isExecutableFile(atPath: $0.path)
        }
        return try #require(found, "operation-check was not built beside the tests; run swift build")
    }
}
