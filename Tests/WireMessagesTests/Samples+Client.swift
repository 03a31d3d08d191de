// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import WireMessages

/// What clients ask and are told.
extension Samples {
    static func clientPayload(_ kind: WireKind) -> WireEnvelope.OneOf_Payload {
        switch kind {
        case .submitStudy: .submitStudy(submission)
        case .submitReply:
            .submitReply(.with { ($0.outcome, $0.studyID, $0.name, $0.missing) = (.needsBlobs, "5", "teal-heart", [digest, digest]) })
        case .statusRequest: .statusRequest(.with { ($0.study, $0.allTrials) = ("teal-heart", true) })
        case .statusReply: .statusReply(status)
        case .command: .command(.with { ($0.kind, $0.target, $0.trial, $0.priority) = (.prioritize, "teal-heart", 3, -5) })
        case .commandReply: .commandReply(.with { ($0.id, $0.name, $0.wasSo, $0.count) = ("5", "teal-heart", true, 3) })
        case .explainRequest: .explainRequest(.with { ($0.target, $0.trial) = ("teal-heart", 3) })
        case .explainReply: .explainReply(.with { $0.lines = ["trial 3 waits", ""] })
        case .logRequest: .logRequest(.with { ($0.target, $0.after, $0.limit) = ("box-3", 40, 50) })
        case .logReply: .logReply(log)
        case .checkpointRequest: .checkpointRequest(.with { ($0.study, $0.trial) = ("teal-heart", 3) })
        case .checkpointReply: .checkpointReply(.with { ($0.trial, $0.file) = (3, Data([0x89, 0x48, 0x44, 0x46])) })
        case .keysRequest:
            .keysRequest(.with { ($0.action, $0.key, $0.name, $0.roles) = (.allow, String(repeating: "k", count: 40), "box-3", [1, 2]) })
        case .keysReply: .keysReply(keys)
        default: .errorReply(.with { ($0.code, $0.message) = (.notFound, "no study is called x") })
        }
    }

    static var submission: WireSubmitStudy {
        .with {
            ($0.yaml, $0.baseFolder, $0.sourcePath) = ("study: a\n\tb: 1\n", "/home/a", "/home/a/s.yaml")
            ($0.manifestJson, $0.priority) = ("{\"files\":[]}", 7)
        }
    }

    static var log: WireLogReply {
        .with {
            $0.entries = [
                .with {
                    ($0.number, $0.timeMs, $0.kind, $0.study) = (41, 1_800_000_000_000, "granted", "teal-heart")
                    ($0.trial, $0.worker, $0.text) = (3, "box-3", "steps 10 to 12")
                }
            ]
        }
    }

    static var keys: WireKeysReply {
        .with {
            $0.entries = [
                .with {
                    ($0.key, $0.roles, $0.name, $0.addedMs) = (String(repeating: "k", count: 40), [1, 3], "box-3", 1_800_000_000_000)
                    ($0.oneTime, $0.used, $0.connected) = (true, true, true)
                }
            ]
            $0.token = "pwj1-AQEB"
        }
    }

    static var status: WireStatusReply {
        .with {
            $0.coordinator = .with {
                ($0.programVersion, $0.uptimeSeconds, $0.endpoint) = ("0.1.0", 12.5, "tcp://127.0.0.1:7400")
                ($0.problems, $0.waitingTrials, $0.transfers, $0.transferBytesPerSecond) = (["the disk is full"], 4, 2, 1 << 30)
            }
            $0.studies = [study]
            $0.workers = [worker]
        }
    }

    private static var study: WireStudyStatus {
        .with {
            ($0.studyID, $0.name, $0.state, $0.createdMs) = ("5", "teal-heart", .running, 1_800_000_000_000)
            ($0.priority, $0.trialCount, $0.trialsWaiting, $0.trialsRunning) = (-1, 9, 1, 2)
            ($0.trialsComplete, $0.trialsFailed, $0.trialsPruned, $0.bestTrial) = (3, 2, 1, 3)
            ($0.encodedParts, $0.encodeParts, $0.failure, $0.etaSeconds) = (1, 2, "no such picture", 60)
            ($0.parallel, $0.stepsDone, $0.stepsTotal) = ("data", 5, 90)
            $0.trials = [
                .with {
                    ($0.index, $0.state, $0.step, $0.totalSteps, $0.loss) = (1, .running, 5, 10, 0.5)
                    ($0.evaluationLoss, $0.bestLoss, $0.bestStep) = (0.4, 0.3, 4)
                    ($0.stepsPerSecond, $0.etaSeconds, $0.worker, $0.attempt) = (0.5, 10, "box-3", 2)
                    ($0.failure, $0.checkpointPath, $0.workers) = ("none", "/home/a/trial-1.h5", 3)
                    $0.parameters = [.with { ($0.key, $0.value) = ("training.batch", "4") }]
                    $0.numericsClass = "avx2-5f3a90c1"
                }
            ]
        }
    }

    private static var worker: WireWorkerStatus {
        .with {
            ($0.workerID, $0.name, $0.host, $0.pid, $0.state) = (uuid, "box-3", "box-3", 4321, .busy)
            ($0.trial, $0.step, $0.stepsPerSecond, $0.lastHeardSeconds) = (1, 5, 0.5, 0.2)
            ($0.threads, $0.cpu, $0.programVersion, $0.study) = (8, "avx2", "0.1.0", "teal-heart")
            ($0.work, $0.numericsClass, $0.key, $0.accepted) = ("train", "avx2-5f3a90c1", "kkkkkkkk", 12)
            ($0.alarms, $0.preparing, $0.memoryBytes) = (1, "fetching", 32 << 30)
        }
    }
}
