module github.com/handshake-llm/handshake/tools/verify-go

go 1.22
