package unitfile

import "strings"

// The grammar of every setting whose value systemd checks, by section; nil for
// the others, of which anything is taken.

func unitGrammar(key string) grammar {
	switch key {
	case "Wants", "Requires", "Requisite", "BindsTo", "BindTo", "PartOf", "Upholds", "Conflicts", "Before", "After", "OnFailure", "OnSuccess",
		"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom", "JoinsNamespaceOf":
		return dependencies
	case "Documentation":
		return each("Invalid syntax", wrongURL)
	case "RequiresMountsFor":
		return each("Invalid syntax", wrongPath)
	case "OnFailureJobMode", "OnSuccessJobMode":
		return one("job mode", "fail replace replace-irreversibly isolate flush ignore-dependencies ignore-requirements triggering")
	case "IgnoreOnIsolate", "StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop", "AllowIsolate", "DefaultDependencies":
		return boolean
	case "OnFailureIsolate":
		return boolOr("boolean", "")
	case "CollectMode":
		return one("garbage collection mode", "inactive inactive-or-failed")
	case "FailureAction", "SuccessAction", "JobTimeoutAction", "StartLimitAction":
		return action
	case "FailureActionExitStatus", "SuccessActionExitStatus":
		return exitStatusOf
	case "JobTimeoutSec", "JobRunningTimeoutSec":
		return parameterSpan
	case "StartLimitIntervalSec", "StartLimitInterval":
		return seconds
	case "StartLimitBurst":
		return unsigned
	case "SourcePath":
		return absolute
	}
	if kind, ok := conditionOf(key); ok && (strings.HasPrefix(kind, "Path") || strings.HasPrefix(kind, "File") || kind == "DirectoryNotEmpty" || kind == "NeedsUpdate") {
		return conditionPath
	}
	return nil
}

func timerGrammar(key string) grammar {
	switch key {
	case "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
		return timerSpan
	case "OnCalendar":
		return calendarEvent
	case "AccuracySec", "RandomizedDelaySec":
		return seconds
	case "FixedRandomDelay", "OnClockChange", "OnTimezoneChange", "Persistent", "WakeSystem", "RemainAfterElapse":
		return boolean
	case "Unit":
		return unitOf("")
	}
	return nil
}

func pathGrammar(key string) grammar {
	switch key {
	case "PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty":
		return absolute
	case "Unit":
		return unitOf("")
	case "MakeDirectory":
		return boolean
	case "DirectoryMode":
		return mode
	case "TriggerLimitIntervalSec":
		return seconds
	case "TriggerLimitBurst":
		return unsigned
	}
	return nil
}

func mountGrammar(key string) grammar {
	switch key {
	case "Where":
		return absolute
	case "SloppyOptions", "LazyUnmount", "ForceUnmount", "ReadWriteOnly":
		return boolean
	case "DirectoryMode":
		return mode
	case "TimeoutSec":
		return timeValue
	}
	return nil
}

func socketGrammar(key string) grammar {
	switch key {
	case "ListenStream", "ListenDatagram", "ListenSequentialPacket":
		return address
	case "ListenFIFO", "ListenSpecial", "ListenMessageQueue":
		return absolute
	case "SocketProtocol":
		return one("socket protocol", "udplite sctp mptcp")
	case "BindIPv6Only":
		return boolOr("bind IPv6 only value", "default both ipv6-only")
	case "Backlog", "MaxConnections", "MaxConnectionsPerSource", "TriggerLimitBurst":
		return unsigned
	case "SocketUser", "SocketGroup":
		return userName
	case "SocketMode", "DirectoryMode":
		return mode
	case "Accept", "Writable", "FlushPending", "KeepAlive", "NoDelay", "ReusePort", "FreeBind", "Transparent", "Broadcast",
		"PassCredentials", "PassSecurity", "PassPacketInfo", "RemoveOnStop":
		return boolean
	case "Priority", "IPTTL", "Mark":
		return integer
	case "DeferAcceptSec", "TriggerLimitIntervalSec":
		return seconds
	case "TimeoutSec":
		return timeValue
	case "Service":
		return unitOf("service")
	case "Symlinks":
		return each("Invalid syntax", wrongPath)
	case "Timestamping":
		return boolOr("timestamping precision", "us usec µs ns nsec")
	}
	return nil
}

func serviceGrammar(key string) grammar {
	if strings.HasPrefix(key, "Limit") {
		return limit
	}
	switch key {
	case "Type":
		return one("service type", "simple forking oneshot dbus notify idle exec")
	case "ExitType":
		return one("service exit type", "main cgroup")
	case "RemainAfterExit", "GuessMainPID", "RootDirectoryStartOnly", "NonBlocking", "PermissionsStartOnly", "NoNewPrivileges",
		"CPUSchedulingResetOnFork", "PrivateTmp", "PrivateDevices", "PrivateNetwork", "PrivateUsers", "PrivateMounts", "PrivateIPC",
		"ProtectHostname", "ProtectClock", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
		"LockPersonality", "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC", "MountAPIVFS",
		"SyslogLevelPrefix", "TTYReset", "TTYVHangup", "TTYVTDisallocate", "IgnoreSIGPIPE", "SendSIGHUP", "SendSIGKILL",
		"CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting", "IPAccounting":
		return boolean
	case "DynamicUser":
		return func(s Setting) Verdict {
			if _, ok := ParseBool(s.Value); !ok {
				return fatal("Failed to parse boolean value: " + s.Value)
			}
			return accepted()
		}
	case "BusName":
		return busNameOK
	case "RestartSec", "RuntimeMaxSec", "RuntimeRandomizedExtraSec", "WatchdogSec", "StartLimitInterval", "LogRateLimitIntervalSec":
		return seconds
	case "TimeoutStartSec", "TimeoutSec":
		return parameterSpan
	case "TimeoutStopSec":
		return timeValue
	case "TimeoutAbortSec":
		return func(s Setting) Verdict {
			return when(s.Value == "" || isSpan(s.Value), "Failed to parse TimeoutAbortSec= setting", s)
		}
	case "TimeoutStartFailureMode", "TimeoutStopFailureMode":
		return one("timeout failure mode", "terminate abort kill")
	case "Restart":
		return one("service restart specifier", "no on-success on-failure on-abnormal on-watchdog on-abort always")
	case "SuccessExitStatus", "RestartPreventExitStatus", "RestartForceExitStatus":
		return each("Invalid syntax", wrongStatus)
	case "NotifyAccess":
		return one("notify access specifier", "none main exec all")
	case "Sockets":
		return each("Trailing garbage in sockets", wrongSocket)
	case "FileDescriptorStoreMax", "StartLimitBurst", "LogRateLimitBurst", "TTYRows", "TTYColumns":
		return unsigned
	case "USBFunctionDescriptors", "USBFunctionStrings", "TTYPath", "NetworkNamespacePath", "IPCNamespacePath":
		return absolute
	case "OOMPolicy":
		return one("OOM policy", "continue stop kill")
	case "StartLimitAction", "FailureAction":
		return action
	case "SysVStartPriority":
		return removed
	case "WorkingDirectory", "RootDirectory", "RootImage":
		return absoluteOrFatal
	case "User", "Group":
		return userName
	case "SupplementaryGroups":
		return userNames
	case "UMask", "RuntimeDirectoryMode", "StateDirectoryMode", "CacheDirectoryMode", "LogsDirectoryMode", "ConfigurationDirectoryMode":
		return mode
	case "Nice":
		return nice
	case "OOMScoreAdjust":
		return oomAdjust
	case "CPUSchedulingPolicy":
		return one("CPU scheduling policy", "other batch idle fifo rr")
	case "IOSchedulingClass":
		return one("IO scheduling class", "none realtime best-effort idle 0 1 2 3")
	case "ProtectSystem":
		return boolOr("protect system value", "full strict")
	case "ProtectHome":
		return boolOr("protect home value", "read-only tmpfs")
	case "RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory":
		return directories
	case "RuntimeDirectoryPreserve":
		return boolOr("runtime directory preserve mode", "restart")
	case "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths":
		return each("Failed to extract first word", wrongPath)
	case "MountFlags":
		return one("mount flag", "shared slave private")
	case "ProtectProc":
		return one("/proc/ protection mode", "noaccess invisible ptraceable default")
	case "ProcSubset":
		return one("/proc/ subset mode", "all pid")
	case "Environment":
		return environmentGrammar()
	case "EnvironmentFile":
		return optionalFile
	case "PassEnvironment", "UnsetEnvironment":
		return each("Trailing garbage in "+key, wrongName)
	case "StandardInput":
		return input
	case "StandardOutput", "StandardError":
		return output
	case "SyslogFacility":
		return facility
	case "SyslogLevel", "LogLevelMax":
		return level
	case "UtmpMode":
		return one("utmp mode", "init login user")
	case "KeyringMode":
		return one("keyring mode", "inherit private shared")
	case "KillMode":
		return one("kill mode specification", "control-group process mixed none")
	case "KillSignal", "RestartKillSignal", "FinalKillSignal", "WatchdogSignal":
		return signal
	case "Slice":
		return slice
	case "CPUWeight", "StartupCPUWeight":
		return weight("CPU weight")
	case "IOWeight":
		return weight("weight")
	case "CPUQuota":
		return quota
	case "MemoryMin", "MemoryLow", "MemoryHigh", "MemoryMax", "MemorySwapMax", "MemoryLimit":
		return memoryLimit
	case "TasksMax":
		return tasksLimit
	case "DevicePolicy":
		return one("device policy", "auto closed strict")
	case "ManagedOOMSwap", "ManagedOOMMemoryPressure":
		return func(s Setting) Verdict { return when(hasWord("auto kill", s.Value), "Invalid syntax", s) }
	}
	return nil
}
