module bufwriter

go 1.19
