// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

/// `scripts/crash-at-every-write.c`: strikes a process at one of its calls that change files.
enum CrashShim {
    private typealias Arm = @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>, Int, UnsafePointer<CChar>) -> Void

    /// Compiles it, and cancels the test where there is no C compiler.
    static func compile(into folder: URL) throws -> String {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("scripts/crash-at-every-write.c").path
        let library = folder.appendingPathComponent("crash-shim.so").path
        for compiler in ["cc", "clang", "gcc"] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            if process.terminationStatus == 0 { return library }
        }
        try Test.cancel("no C compiler here")
    }

    /// Runs a body with the library loaded into the processes that it starts.
    static func preloaded(_ library: String, _ body: () async -> Void) async {
        let before = getenv("LD_PRELOAD").map { String(cString: $0) }
        setenv("LD_PRELOAD", library, 1)
        defer { if let before { setenv("LD_PRELOAD", before, 1) } else { unsetenv("LD_PRELOAD") } }
        await body()
    }

    /// From now on, the `number`-th call of this process below `folder` is struck; 0: none.
    static func arm(_ folder: String, mode: String, at number: Int, log: String) {
        guard let symbol = dlsym(nil, "pseudoword_crash_arm") else { return _ = Issue.record("the library is not loaded") }
        unsafeBitCast(symbol, to: Arm.self)(folder, mode, number, log)
    }

    /// What the log says was struck, `N CALL PATH`; nil when nothing was.
    static func struck(_ log: String) -> String? {
        (try? String(contentsOfFile: log, encoding: .utf8))?.trimmingCharacters(in: .newlines)
    }
}
